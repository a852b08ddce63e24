"""Whether the parts of a compiled model fit each other: files may come from anywhere."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import pairwise
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from ...hw.config import Config
from ...hw.isa import MAX_PLANES
from ..activation_formats import FORMATS
from ..chained_products import chain_error
from ..device_image import DeviceImage, ResidentMatrix
from ..matrix_layout import MatrixLayout
from .compiled import ChainRun, CompiledModel, DeviceRun, HostRun
from .errors import CompiledModelError

__all__ = ["check_compiled"]

_LARGEST = 1 << 48  # no size, count or address of anything is that large
_RESULTS = ("float16", "float32", "float64", "int32")
_INSTRUCTION_BYTES = 16


def check_compiled(model: CompiledModel) -> None:
    """Raise unless a model could have been made by `compile_onnx`, weights and programs aside.

    Those are numbers of which the device makes what it makes: it checks every instruction.

    Raises
    ------
    CompiledModelError
    """
    for path, text in _misfits(model, CompiledModel, "model"):
        raise CompiledModelError(f"{path} {text}: compile the model again")
    for problem in (*_image_problems(model.image), *_step_problems(model)):
        raise CompiledModelError(f"{problem}: compile the model again")


def _misfits(value: Any, hint: Any, path: str) -> Iterator[tuple[str, str]]:
    """Values that are not of the types that their classes state."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if all(any(_misfits(value, option, path)) for option in inside):
            yield path, f"must not be a {type(value).__name__}"
    elif hint is None or hint is types.NoneType:
        if value is not None:
            yield path, "must be missing"
    elif origin is tuple:
        each = inside[:1] * len(value) if inside[1:] == (...,) else inside
        if not isinstance(value, tuple) or len(value) != len(each):
            yield path, f"must be {len(inside)} items"
        else:
            for i, (item, kind) in enumerate(zip(value, each, strict=True)):
                yield from _misfits(item, kind, f"{path}[{i}]")
    elif origin is dict:
        for key, item in value.items() if isinstance(value, dict) else ():
            yield from _misfits(key, inside[0], f"{path} {key!r}")
            yield from _misfits(item, inside[1], f"{path}[{key!r}]")
        if not isinstance(value, dict):
            yield path, "must be a table"
    elif origin is type:
        if value not in (np.int32, np.int64):
            yield path, "must be int32 or int64"
    elif hint is Config:
        pass  # it checks itself
    elif hint is int:
        if type(value) is not int or abs(value) > _LARGEST:
            yield path, f"must be an integer, not {value!r:.40}"
    elif not isinstance(value, hint):
        yield path, f"must be a {hint.__name__}, not {value!r:.40}"
    elif is_dataclass(value) or hasattr(value, "_fields"):
        names = [f.name for f in fields(value)] if is_dataclass(value) else value._fields
        kinds = get_type_hints(type(value))
        for name in names:
            yield from _misfits(getattr(value, name), kinds[name], f"{path}.{name}")


def _image_problems(image: DeviceImage) -> Iterator[str]:
    sizes = dict(image.pieces)
    wanted: list[tuple[str, int, int]] = []  # what lies where, and how large it is
    for name, (address, size) in image.areas.items():
        wanted.append((f"area {name!r}", address, size))
    for number, matrix in enumerate(image.matrices):
        what = f"matrix {number}"
        yield from (f"{what} {problem}" for problem in _layout_problems(matrix))
        layout = matrix.layout
        wanted.append((f"weights of {what}", matrix.weights, layout.weight_bytes))
        if layout.grouped:
            wanted.append((f"groups of {what}", matrix.groups, layout.group_bytes))
        elif matrix.groups != matrix.weights:
            yield f"{what} has groups of its own"
        for program in matrix.programs.values():
            wanted.append(
                (f"a program of {what}", program.address, program.length * _INSTRUCTION_BYTES)
            )
    if len({address for _, address, _ in wanted}) != len(wanted):
        yield "two parts have one place in memory"
    for what, address, size in wanted:
        if not 0 <= size <= sizes.get(address, -1):
            yield f"{what} must have a piece of memory of {size} bytes"


def _layout_problems(matrix: ResidentMatrix) -> Iterator[str]:
    layout = matrix.layout
    c, digits = layout.config, layout.lowering.digits
    exponents = layout.lowering.exponents
    if not (layout.n > 0 and layout.k > 0 and 0 < layout.group_width <= layout.k):
        yield "must not be empty"
        return
    if not 0 < len(exponents) <= min(MAX_PLANES, c.weight_depth) or exponents[-1] != 0:
        yield "must have planes down to 2**0"
        return
    planes = digits.shape[:1] == (len(exponents),) and digits.ndim == 2
    if not planes or digits.dtype != np.int8 or not 2 <= digits.shape[1] <= 256:
        yield "must have a digit for every code and plane"
    if any(not 0 <= shift <= c.max_shift for shift in layout.lowering.shifts):
        yield f"must have planes at most {c.max_shift} bits apart"
    if len(layout.lowering.negatives) != len(exponents):
        yield "must have a sign for every plane"
    if abs(layout.coefficient) > 1 << c.max_weight_bits:
        yield "must have a zero point near its planes"
    if _derived(layout) != (layout.n_blocks, layout.n_pitch, layout.group_blocks, layout.k_blocks):
        yield "must be cut into blocks of its configuration"
        return
    starts = layout.segments
    ordered = all(a < b for a, b in pairwise(starts))
    if not starts or starts[0] != 0 or starts[-1] >= layout.k_blocks or not ordered:
        yield "must have segments one after the other"
    for name, array, want in (
        ("row_scales", matrix.row_scales, (layout.n,)),
        ("used", matrix.used, (layout.k_blocks, layout.n_blocks)),
    ):
        if array is not None and (array.shape != want or array.dtype.kind not in "fb"):
            yield f"must have {name} of shape {want}"


def _derived(layout: MatrixLayout) -> tuple[int, int, int, int]:
    """Blocks of outputs, their pitch, K blocks of a group and of a row."""
    c = layout.config
    n_blocks = -(-layout.n // c.lanes)
    group_blocks = -(-layout.group_width // c.k_block)
    whole, rest = divmod(layout.k, layout.group_width)
    return n_blocks, n_blocks, group_blocks, whole * group_blocks + -(-rest // c.k_block)


def _step_problems(model: CompiledModel) -> Iterator[str]:
    known = {tensor.name for tensor in model.inputs} | model.constants.keys()
    for step in model.steps:
        runs = step.runs if isinstance(step, ChainRun) else (step,)
        if isinstance(step, ChainRun):
            if len(step.links) != len(runs) - 1 or not all(run.parts for run in step.runs):
                yield "a chain must have a link between two products"
                return
            known |= {run.source for run in runs[1:]}
            layouts = [model.image.matrices[run.parts[0].matrix].layout for run in step.runs]
            for first, second in pairwise(layouts):
                if problem := chain_error(first, second):
                    yield f"a chain cannot be one: {problem}"
        for run in runs:
            if missing := set(run.inputs) - known:
                yield f"tensor {min(missing)!r} must be computed before it is taken"
            if isinstance(run, DeviceRun):
                yield from _run_problems(run, model.image)
                known |= {output.name for output in run.outputs}
            elif isinstance(run, HostRun):
                known |= set(run.outputs)
    if missing := {tensor.name for tensor in model.outputs} - known:
        yield f"output {min(missing)!r} must be computed"


def _run_problems(run: DeviceRun, image: DeviceImage) -> Iterator[str]:
    if not run.outputs or not run.parts:
        yield "a product must have outputs and matrices"
        return
    n = max(output.last for output in run.outputs)
    for output in run.outputs:
        if not 0 <= output.first < output.last or output.dtype not in _RESULTS:
            yield f"output {output.name!r} must be some columns of a known type"
    if run.activations not in (*FORMATS, "integer"):
        yield f"activations must be of a known format, not {run.activations!r}"
    for part in run.parts:
        layout = image.matrices[part.matrix].layout
        if abs(part.exponent) > 64:
            yield f"exponent must be from -64 to 64, not {part.exponent}"
        if part.rows is None and layout.n != n:
            yield f"matrix {part.matrix} must have {n} outputs, not {layout.n}"
        for name, array, low, high, size, kinds in (
            ("columns", part.columns, -1, _LARGEST, layout.k, "iu"),
            ("rows", part.rows, 0, n, layout.n, "iu"),
            ("sums", part.sums, -_LARGEST, _LARGEST, layout.n, "iu"),
            ("scales", part.scales, -np.inf, np.inf, layout.n, "f"),
        ):
            if array is None:
                continue
            fits = array.shape == (size,) and array.dtype.kind in kinds
            if not fits or array.min() < low or array.max() >= high:
                yield f"{name} of matrix {part.matrix} must be {size} numbers in range"
