"""The graph of an ONNX model: its constants, its nodes, and who uses what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .errors import DamagedFileError, MissingPackageError
from .external_files import ExternalFiles
from .mapped_file import Buffer
from .onnx_array import OnnxArray, array_of
from .protobuf_walk import split_model

__all__ = ["Graph", "Use", "attributes", "integer", "read_graph"]

_LONGEST_CHAIN = 8


class Use(NamedTuple):
    """A node that takes a value, and as which of its inputs."""

    node: Any
    position: int


class Graph:
    """Constants by name, nodes, and the users of every value.

    Parameters
    ----------
    model : onnx.ModelProto
        Without initialisers.
    arrays : dict of str to OnnxArray
    """

    def __init__(self, model: Any, arrays: dict[str, OnnxArray]) -> None:
        self.model, self.arrays = model, arrays
        self.uses: dict[str, list[Use]] = defaultdict(list)
        for node in model.graph.node:
            for index, name in enumerate(node.input):
                if name:
                    self.uses[name].append(Use(node, index))

    def nodes(self, *kinds: str) -> Iterator[Any]:
        """Nodes of the given operators, in the file's order."""
        return (node for node in self.model.graph.node if node.op_type in kinds)

    def input(self, node: Any, index: int) -> OnnxArray | None:
        """The constant that a node takes as its input `index`; None if there is none."""
        return self.arrays.get(node.input[index]) if index < len(node.input) else None

    def transposed(self, name: str) -> bool:
        """Every product that takes the value `name` as its weights wants ``[K, N]``."""
        return self._wants_inputs_first(name, 0) is True

    def _wants_inputs_first(self, name: str, depth: int) -> bool | None:
        """None where nobody multiplies with it, or not all in the same way."""
        if depth > _LONGEST_CHAIN:
            return None
        found: set[bool | None] = set()
        for node, index in self.uses.get(name, ()):
            known = attributes(node)
            if node.op_type in ("MatMul", "MatMulInteger"):
                found.add(index == 1)
            elif node.op_type == "Gemm" and index < 2:
                swapped = bool(known.get("transA" if index == 0 else "transB", 0))
                found.add((index == 1) != swapped)
            elif node.op_type == "Transpose" and known.get("perm", (1, 0)) == (1, 0):
                after = self._wants_inputs_first(node.output[0], depth + 1) if node.output else None
                found.add(None if after is None else not after)
            else:
                found.add(None)
        return found.pop() if len(found) == 1 else None


def attributes(node: Any) -> dict[str, Any]:
    """Integers, floats, strings (as bytes) and tuples of integers of a node, by name."""
    kinds = {1: "f", 2: "i", 3: "s"}
    found = {a.name: getattr(a, kinds[a.type]) for a in node.attribute if a.type in kinds}
    return found | {a.name: tuple(a.ints) for a in node.attribute if a.type == 7}


def integer(known: dict[str, Any], name: str, default: int) -> int:
    """An integer attribute of those that `attributes` gave.

    Raises
    ------
    DamagedFileError
        It is of another type.
    """
    value = known.get(name, default)
    if not isinstance(value, int):
        raise DamagedFileError(f"attribute {name!r} must be an integer, not {value!r:.60}")
    return value


def read_graph(data: Buffer, folder: Path | None) -> Graph:
    """Parse an ONNX model; its weights stay in the file.

    Parameters
    ----------
    data : Buffer
    folder : Path or None
        Where external data lies.

    Raises
    ------
    MissingPackageError, DamagedFileError
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise MissingPackageError(
            "ONNX files need the package onnx: pip install lutra[models]"
        ) from None
    skeleton, initializers = split_model(data)
    external = ExternalFiles(folder)
    arrays: dict[str, OnnxArray] = {}
    try:
        model = onnx.ModelProto.FromString(skeleton)
        protos = [(onnx.TensorProto.FromString(i.message), i) for i in initializers]
    except DecodeError as error:
        raise DamagedFileError(f"not readable as ONNX: {error}") from None
    for proto, where in protos:
        if proto.name in arrays:
            raise DamagedFileError(f"tensor {proto.name!r} must appear once")
        arrays[proto.name] = array_of(proto, where, data, external)
    for node in model.graph.node:
        if node.op_type == "Constant" and node.output:
            for attribute in node.attribute:
                if attribute.name == "value" and attribute.HasField("t"):
                    attribute.t.name = node.output[0]
                    arrays.setdefault(node.output[0], array_of(attribute.t, None, data, external))
    return Graph(model, arrays)
