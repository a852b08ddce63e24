"""Settings that all tests share."""

import os

# The matrices that NumPy multiplies here are small, and tests run side by side: more threads than
# one only wait for each other. NumPy reads this when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# No test is timed, so none fails because a machine is slow or busy.
settings.register_profile("lutra", parent=settings(), deadline=None)
settings.load_profile("lutra")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what is marked `long`, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
