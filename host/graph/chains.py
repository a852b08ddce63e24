"""Products with nothing but a quantisation between them, joined so that they stay on the device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import onnx

from ..chained_products import Requantisation, chain_error
from ..errors import RangeError
from ..matrix_layout import MatrixLayout
from .compiled import ChainRun, DeviceRun, HostRun

__all__ = ["join_chains"]

Step = HostRun | DeviceRun | ChainRun


def join_chains(
    steps: Sequence[HostRun | DeviceRun],
    *,
    outputs: Sequence[str],
    constants: Mapping[str, np.ndarray],
    layouts: Sequence[MatrixLayout],
) -> list[Step]:
    """Steps in which ``product, QuantizeLinear, product`` has become one `ChainRun`.

    The first product's sums are requantised by STORE with one factor, ``s_x s_w / s_y``. So it
    needs int8 activations with one scale and no zero point on both sides, one scale for all of its
    weights, no bias, and nobody else who wants its outputs. The factor is a fixed-point number
    and halves are rounded up, where QuantizeLinear rounds them to even: a quantised value can
    differ by one.

    Parameters
    ----------
    steps : sequence of HostRun or DeviceRun
    outputs : sequence of str
        Outputs of the graph.
    constants : mapping of str to ndarray
    layouts : sequence of MatrixLayout
        Of the matrices that the steps number.
    """
    wanted = Counter(outputs)
    for step in steps:
        wanted.update(step.inputs)
    joined: list[Step] = []
    i = 0
    while i < len(steps):
        runs, links = [steps[i]], []
        while i + 2 < len(steps):
            link = _link(steps[i : i + 3], wanted, constants, layouts)
            if link is None:
                break
            links.append(link)
            runs.append(steps[i + 2])
            i += 2
        i += 1
        products = [run for run in runs if isinstance(run, DeviceRun)]
        chain = ChainRun(runs=tuple(products), links=tuple(links))
        joined.append(chain if links else runs[0])
    return joined


def _link(
    steps: Sequence[HostRun | DeviceRun],
    wanted: Counter[str],
    constants: Mapping[str, np.ndarray],
    layouts: Sequence[MatrixLayout],
) -> Requantisation | None:
    """How the first of three steps is requantised for the last; None if it cannot be."""
    first, between, second = steps
    if not (
        isinstance(first, DeviceRun)
        and isinstance(between, HostRun)
        and isinstance(second, DeviceRun)
    ):
        return None
    scale_y = _quantisation(between)
    if scale_y is None or not _plain(first, constants) or not _plain(second, constants):
        return None
    (output,) = first.outputs
    if output.bias is not None or first.exact:
        return None
    alone = wanted[output.name] == 1 and wanted[second.source] == 1
    if not alone or between.inputs != (output.name,) or between.outputs != (second.source,):
        return None
    (a,), (b,) = first.parts, second.parts
    if chain_error(layouts[a.matrix], layouts[b.matrix]):
        return None
    scales = np.ones(1) if a.scales is None else np.unique(a.scales)
    if len(scales) > 1:
        return None
    scale_x = float(constants[first.scale].reshape(-1)[0]) if first.scale else 1.0
    try:
        return Requantisation.of(scale_x * float(scales[0]) / scale_y)
    except RangeError:
        return None


def _plain(run: DeviceRun, constants: Mapping[str, np.ndarray]) -> bool:
    """One matrix of its own, integers with one constant scale and no zero point."""
    (part, *others), (_, *more) = run.parts, run.outputs
    simple = not others and not more and part.rows is None and part.columns is None
    if not simple or part.exponent or run.activations != "integer":
        return False
    if run.scale is not None and run.scale not in constants:
        return False
    if run.zero_point is None:
        return True
    zero = constants.get(run.zero_point)
    return zero is not None and zero.dtype == np.int8 and not zero.any()


def _quantisation(step: HostRun) -> float | None:
    """The scale of a part that is one QuantizeLinear to int8 without a zero point."""
    graph = onnx.load_model_from_string(step.model).graph
    if len(graph.node) != 1 or graph.node[0].op_type != "QuantizeLinear":
        return None
    values = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    _, *names = graph.node[0].input
    if len(names) != 2 or any(name not in values or values[name].size != 1 for name in names):
        return None
    scale, zero = (values[name].reshape(-1)[0] for name in names)
    return float(scale) if zero.dtype == np.int8 and not zero else None
