"""Text for people is printed as it is."""

import pytest

from lutra.host.commands.consoles import notes_console, results_console
from lutra.host.commands.figures import Figure, print_figures


def test_brackets_stay(capsys: pytest.CaptureFixture[str]) -> None:
    results_console().print("layers[0].weight [/red] :smile:")
    notes_console().print("pip install lutra[synth]")
    print_figures([Figure("a[bold]", 1.0, "[1]")], as_json=False, title="[b]")
    told = capsys.readouterr()
    assert "layers[0].weight [/red] :smile:" in told.out
    assert "pip install lutra[synth]" in told.err
    assert all(text in told.out for text in ("a[bold]", "[1]", "[b]"))
