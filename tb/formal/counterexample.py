"""Makes a failing run readable: a table of signal values, one column a cycle."""

from __future__ import annotations

import io

from vcd.reader import TokenKind, tokenize

__all__ = ["read_run"]

#: Wider values are cut in the middle.
_DIGITS = 12


def read_run(text: str) -> str:
    """The run in a waveform (VCD) that yosys-smtbmc wrote, as a table.

    A row is a signal, ``component.signal`` where it is inside of the component; a column is a
    cycle, cycle 0 the reset. Values are hexadecimal; ``.`` stands for the value of the cycle
    before. Signals that are 0 throughout are left out.
    """
    names, values = _values(text)
    table = []
    for name in sorted(names, key=lambda n: (n.count("."), n)):
        row = values[names[name]]
        if any(row):
            shown = [_hexadecimal(value) for value in row]
            again = [i > 0 and row[i] == row[i - 1] for i in range(len(row))]
            table.append([name, *("." if a else s for a, s in zip(again, shown, strict=True))])
    if not table:
        return ""
    table.insert(0, ["cycle", *map(str, range(len(table[0]) - 1))])
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in table
    ]
    return "\n".join(lines)


def _values(text: str) -> tuple[dict[str, str], dict[str, list[int]]]:
    """Codes by name, and the value of each code in each cycle."""
    scope: list[str] = []
    names: dict[str, str] = {}
    now: dict[str, int] = {}
    values: dict[str, list[int]] = {}
    cycles = 0
    for token in tokenize(io.BytesIO(text.encode())):
        if token.kind is TokenKind.SCOPE:
            scope.append(token.scope.ident)
        elif token.kind is TokenKind.UPSCOPE:
            scope.pop()
        elif token.kind is TokenKind.VAR and token.var.type_.value == "wire":
            inside = [part for part in scope[1:] if not part.startswith("claim_")]
            name = ".".join([*inside, token.var.reference])
            if "$" not in name and name not in ("clk", "rst"):
                names[name] = token.var.id_code
        elif token.kind is TokenKind.CHANGE_TIME:
            # yosys-smtbmc steps the clock by 10, and ends with one more step.
            if token.time_change % 10 == 0 and token.time_change:
                cycles += 1
                _sample(values, now)
        elif token.kind is TokenKind.CHANGE_VECTOR:
            change = token.vector_change
            now[change.id_code] = int(change.value) if isinstance(change.value, int) else 0
    if not cycles:
        _sample(values, now)
    return names, {code: values.get(code, [0]) for code in names.values()}


def _sample(values: dict[str, list[int]], now: dict[str, int]) -> None:
    for code, value in now.items():
        values.setdefault(code, []).append(value)


def _hexadecimal(value: int) -> str:
    digits = f"{value:x}"
    if len(digits) <= _DIGITS:
        return digits
    return f"{digits[: _DIGITS // 2]}~{digits[-_DIGITS // 2 + 1 :]}"
