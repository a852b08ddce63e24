import pickle

import pytest

from lutra.host import errors
from lutra.host.errors import DeviceError, LutraError
from lutra.hw.isa import ErrorCode


@pytest.mark.parametrize("name", errors.__all__)
def test_all_derive_from_one(name: str):
    assert issubclass(getattr(errors, name), LutraError)


def test_device_error_names_its_code():
    error = DeviceError(int(ErrorCode.PSUM_OVERFLOW), 0x20)
    assert str(error) == "the device stopped with PSUM_OVERFLOW at 0x20"
    assert error.code is ErrorCode.PSUM_OVERFLOW
    unknown = DeviceError(99, 0)
    assert unknown.code == 99
    assert str(unknown) == "the device stopped with error 99 at 0x0"
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.code, copy.address) == (error.code, error.address)
