"""From an ONNX graph to a compiled model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx

from ...hw.config import Config
from ..accelerator import Accelerator
from ..activation_formats import BIPOLAR, FORMATS, format_activations
from ..device_activations import encode_activations
from ..device_image import DeviceImage
from ..errors import UnsupportedFormatError
from ..formats.composite import Part
from ..loaded_matrix import LoadedMatrix
from ..quantized_matrix import QuantizedMatrix
from .chains import join_chains
from .compiled import CompiledModel, DeviceRun, HostRun, MatrixPart, Output, TensorType
from .errors import GraphError
from .partition import DeviceStep, HostStep, partition
from .products import Product, find_products
from .read_model import read_onnx
from .stacking import stack, stackable
from .tensors import Tensors
from .weights import GraphWeights, Weights

__all__ = ["compile_onnx"]

#: Rows whose weights are summed up at a time.
_SLAB = 256


def compile_onnx(
    path: str | Path,
    config: str | Path | Config,
    *,
    bits: int | None = None,
    group_size: int | None = None,
    symmetric: bool = True,
    activations: str = "int8",
    rows: Sequence[int] = (1,),
    progress: Callable[[str, int, int], None] | None = None,
) -> CompiledModel:
    """Partition a graph, quantise what is not yet, pack it, and build its programs.

    Every product with static weights goes to the device; products of one tensor become one matrix.
    Products with nothing but a quantisation between them stay on the device (`.chains`).
    The rest of the graph goes to onnxruntime in as few parts as products behind one another allow.
    Packing is done by the driver itself on a device that only executes with NumPy, whose
    memory then is the image.

    Parameters
    ----------
    path : str or Path
        An ONNX model.
    config : str, Path or Config
    bits, group_size, symmetric
        Of weights that the model has in floating point, rounded to nearest
        (`lutra.host.quantize_rtn`); by default the configuration's `weight_bits`, and one scale
        a row.
    activations : str
        Format that real activations are brought to, row by row (`lutra.host.activation_formats`).
    rows : sequence of int
        Activation rows that programs are built for in advance; a program for another number is
        built when it is first needed.
    progress : callable, optional
        Called with the name of each matrix, its number, and how many there are.

    Raises
    ------
    GraphError
        The file is no ONNX model, or has no product with static weights.
    UnsupportedFormatError
        The configuration was not built for such weights or activations.
    OutOfDeviceMemoryError
        The device's address space is too small.
    """
    if activations not in FORMATS:
        raise UnsupportedFormatError(
            f"activations must be one of {', '.join(FORMATS)}, not {activations!r}"
        )
    model = read_onnx(path)
    tensors = Tensors(model)
    with Accelerator.open("golden", config=config) as device:
        weights = GraphWeights(
            path, tensors, bits=bits or device.config.weight_bits, group_size=group_size,
            symmetric=symmetric, scale_bits=device.config.scale_bits,
        )  # fmt: skip
        found = find_products(tensors)
        products = {place: p for place, p in found.items() if weights.takes(p)}
        if not products:
            raise GraphError(_nothing_found(path, tensors, weights))
        steps = partition(model, tensors, products)
        groups = [step for step in steps if isinstance(step, DeviceStep)]
        loaded: list[LoadedMatrix] = []
        runs: dict[int, list[DeviceRun]] = {}
        for number, step in enumerate(groups):
            if progress:
                progress(step.products[0].node, number, len(groups))
            runs[id(step)] = []
            for group in _together([(p, weights.of(p)) for p in step.products]):
                matrices = [
                    device.load(replace(part.matrix, row_scales=None)) for part in group.parts
                ]
                run = _device_run(group, len(loaded), activations)
                _check_activations(run, group.products[0], matrices, tensors)
                runs[id(step)].append(run)
                loaded.extend(matrices)
        notes = weights.notes | weights.left
        serial = device.config.pe == "bitserial"
        act_bits = _bits(activations) if serial else None
        # Twice: an area that grows on the way forgets the programs built before.
        for matrix in loaded * 2:
            for m in rows:
                device.prepare(matrix, m, act_bits=act_bits)
        image = DeviceImage.capture(device, loaded)
    ordered: list[HostRun | DeviceRun] = []
    for step in steps:
        if isinstance(step, HostStep):
            ordered.append(
                HostRun(
                    model=step.model.SerializeToString(),
                    inputs=tuple(step.inputs),
                    outputs=tuple(step.outputs),
                )
            )
        else:
            ordered.extend(runs[id(step)])
    constants = _constants(tensors, products.values())
    return CompiledModel(
        name=Path(path).stem,
        inputs=tuple(_tensor(i) for i in _real_inputs(tensors)),
        outputs=tuple(_tensor(tensors.info(o.name)) for o in tensors.graph.output),
        steps=tuple(
            join_chains(
                ordered,
                outputs=[output.name for output in tensors.graph.output],
                constants=constants,
                layouts=[matrix.layout for matrix in image.matrices],
            )
        ),
        constants=constants,
        image=image,
        notes=notes,
    )


class _Group(NamedTuple):
    """Products of one source, and their common matrix as a sum of parts."""

    products: tuple[Product, ...]
    rows: tuple[int, ...]
    parts: tuple[Part, ...]


def _together(pairs: list[tuple[Product, Weights]]) -> list[_Group]:
    """Products that can share one matrix, each group with that matrix."""
    groups: list[_Group] = []
    stacks: list[list[tuple[Product, QuantizedMatrix]]] = []
    for product, weights in pairs:
        if not isinstance(weights, QuantizedMatrix):
            groups.append(_Group((product,), (weights.shape[0],), weights.parts))
            continue
        home = next((s for s in stacks if stackable(s[0][1], weights)), None)
        if home is None:
            stacks.append([(product, weights)])
        else:
            home.append((product, weights))
    for pairs_ in stacks:
        matrix = stack([m for _, m in pairs_])
        products, rows = zip(*((p, m.rows) for p, m in pairs_), strict=True)
        groups.append(_Group(products, rows, (Part(matrix=matrix),)))
    return groups


def _device_run(group: _Group, first: int, activations: str) -> DeviceRun:
    head = group.products[0]
    ends = np.cumsum(group.rows)
    return DeviceRun(
        source=head.source,
        outputs=tuple(
            Output(
                name=product.output,
                first=int(end) - count,
                last=int(end),
                bias=product.bias,
                dtype=product.dtype,
            )
            for product, count, end in zip(group.products, group.rows, ends, strict=True)
        ),
        parts=tuple(
            MatrixPart(
                matrix=first + i,
                exponent=part.exponent,
                columns=part.columns,
                rows=part.rows,
                sums=_sums(part.matrix),
                scales=part.matrix.row_scales,
            )
            for i, part in enumerate(group.parts)
        ),
        activations="integer" if head.integer else activations,
        scale=head.scale,
        zero_point=head.zero_point,
        exact=head.exact,
    )


def _sums(matrix: QuantizedMatrix) -> np.ndarray:
    slabs = [slice(first, first + _SLAB) for first in range(0, matrix.rows, _SLAB)]
    return np.concatenate([matrix.integers(slab).sum(1) for slab in slabs])


def _check_activations(
    run: DeviceRun, product: Product, matrices: list[LoadedMatrix], tensors: Tensors
) -> None:
    """Raise `UnsupportedFormatError` where no activations of a product could be sent."""
    format = run.activations
    if format == "integer":
        format = tensors.dtype(product.source) or "int8"
        if format not in ("int8", "uint8", "int16"):
            raise UnsupportedFormatError(
                f"activations of {product.node!r} must be int8, uint8 or int16, not {format}"
            )
    for part, matrix in zip(run.parts, matrices, strict=True):
        gap = part.columns is not None and (part.columns < 0).any()
        if gap and format in BIPOLAR:
            raise UnsupportedFormatError(
                f"activations must not be {format} for {product.weight!r}: its matrix takes zeros "
                "between the inputs, which odd numbers do not have"
            )
        sample = np.ones((1, matrix.shape[1]))
        encode_activations(format_activations(sample, format), matrix.layout)


def _nothing_found(path: str | Path, tensors: Tensors, weights: GraphWeights) -> str:
    kinds = Counter(node.op_type for node in tensors.graph.node)
    has = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(8)) or "none"
    text = (
        f"{path} has no matrix product with static weights (MatMul, Gemm, MatMulInteger, "
        f"MatMulNBits), so nothing of it would run on the device; its operators: {has}"
    )
    return "; ".join([text, *weights.left.values()])


def _bits(activations: str) -> int | None:
    digits = activations.lstrip("uint")
    return int(digits) if digits.isdigit() else None


def _constants(tensors: Tensors, products: Iterable[Product]) -> dict[str, np.ndarray]:
    names = [n for p in products for n in (p.scale, p.zero_point, p.bias)]
    names += [output.name for output in tensors.graph.output]
    return {n: tensors.constant(n) for n in names if n is not None and tensors.is_constant(n)}


def _real_inputs(tensors: Tensors) -> list[onnx.ValueInfoProto]:
    return [i for i in tensors.graph.input if not tensors.is_constant(i.name)]


def _tensor(info: onnx.ValueInfoProto) -> TensorType:
    kind = info.type.tensor_type
    if not kind.elem_type:
        raise GraphError(
            f"{info.name!r} must be a tensor: other inputs and outputs are not supported"
        )
    shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    return TensorType(name=info.name, dtype=np.dtype(dtype).name, shape=shape)
