"""A missing module is told with the extra that brings it."""

import sys

import pytest

from lutra.host import cli
from lutra.host.missing_extra import missing_extra, missing_module_text


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("onnxruntime", "models"),
        ("onnx.helper", "models"),
        ("safetensors", "models"),
        ("torch.nn", "train"),
        ("matplotlib.pyplot", "plot"),
        ("dask", "density"),
        ("liberty", "density"),
        ("z3", "formal"),
        ("vcd.reader", "formal"),
        ("cocotb_tools.runner", "dev"),
        ("cocotbext.axi", "dev"),
        ("pyverilator", "pyverilator"),
        ("lutra.nothing", None),
        ("numpy", None),  # always installed: its absence is no matter of extras
        ("", None),
    ],
)
def test_extra_of_a_module(module: str, extra: str | None) -> None:
    assert missing_extra(module) == extra


def test_text_says_what_to_run() -> None:
    text = missing_module_text(ModuleNotFoundError("No module named 'dask'", name="dask"))
    assert text is not None
    assert "pip install 'lutra[density]'" in text
    assert missing_module_text(ModuleNotFoundError("...", name="lutra.hw.none")) is None


def test_command_without_its_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)  # what Python does where it is not installed
    for name in [name for name in sys.modules if name.startswith(("onnx.", "lutra.host.graph"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "argv", ["lutra", "compile", __file__, "--config", "tiny"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    assert "lutra[models]" in capsys.readouterr().err
