"""Running a compiled model: products on a device, the rest in onnxruntime."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from ...sim.closing import Closing
from ..accelerator import Accelerator
from ..activation_formats import FormattedActivations, format_activations
from ..chained_products import ChainedProducts
from ..device_activations import encode_activations
from .compiled import ChainRun, CompiledModel, DeviceRun, HostRun, MatrixPart
from .errors import CompiledModelError, ModelInputError
from .onnx_session import open_session

__all__ = ["ModelRunner"]

#: Types of activations that a graph may have quantised itself.
_INTEGERS = ("int8", "uint8", "int16")


class ModelRunner(Closing):
    """A compiled model on an open device.

    Parameters
    ----------
    model : CompiledModel
    device : Accelerator
        Of the model's configuration, its memory unused; not closed by the runner.

    Raises
    ------
    ConfigMismatchError
        The device has another configuration.
    LutraError
        onnxruntime is not installed.
    CompiledModelError
        onnxruntime does not take a part of the model.

    Attributes
    ----------
    counters : Counter
        Sums of the device's counters over all products so far.
    """

    def __init__(self, model: CompiledModel, device: Accelerator) -> None:
        self._model, self._device = model, device
        self._sessions = {
            id(step): open_session(step.model) for step in model.steps if isinstance(step, HostRun)
        }
        self._matrices = model.image.restore(device)
        self._chains = {
            id(step): ChainedProducts(
                device, [self._matrices[run.parts[0].matrix] for run in step.runs], step.links
            )
            for step in model.steps
            if isinstance(step, ChainRun)
        }
        self.counters: Counter[str] = Counter()

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs of the model, by name.

        Raises
        ------
        ModelInputError
            An input is missing, unknown, or of another type or shape.
        DeviceError, CycleLimitError
        """
        values = dict(self._model.constants)
        values.update(self._checked(inputs))
        for step in self._model.steps:
            if isinstance(step, HostRun):
                values.update(self._run_host(step, values))
            elif isinstance(step, ChainRun):
                values.update(self._multiply_chain(step, values))
            else:
                values.update(self._multiply(step, values))
        return {output.name: values[output.name] for output in self._model.outputs}

    def _checked(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        wanted = {tensor.name: tensor for tensor in self._model.inputs}
        if set(inputs) != set(wanted):
            raise ModelInputError(f"inputs must be {sorted(wanted)}, not {sorted(inputs)}")
        values = {name: np.asarray(value) for name, value in inputs.items()}
        for name, value in values.items():
            tensor = wanted[name]
            if tensor.dtype == "object" and value.dtype.kind == "U":  # texts, as .npz files hold
                values[name] = value = value.astype(object)
            if value.dtype.name != tensor.dtype:
                raise ModelInputError(f"input {name!r} must be {tensor.dtype}, not {value.dtype}")
            fits = len(value.shape) == len(tensor.shape) and all(
                want in (None, have) for want, have in zip(tensor.shape, value.shape, strict=True)
            )
            if not fits:
                shape = tuple("any" if n is None else n for n in tensor.shape)
                raise ModelInputError(f"input {name!r} must have shape {shape}, not {value.shape}")
        return values

    def _run_host(self, step: HostRun, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        taken = {name: values[name] for name in step.inputs}
        try:
            results = self._sessions[id(step)].run(list(step.outputs), taken)
        except Exception as error:  # onnxruntime's own, which share no public base
            shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in taken.items())
            raise CompiledModelError(
                f"onnxruntime cannot run a part of the model with {shapes}: {error}"
            ) from error
        arrays = [np.asarray(result) for result in results]
        return dict(zip(step.outputs, arrays, strict=True))

    def _multiply(self, step: DeviceRun, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        x = values[step.source]
        flat = x.reshape(-1, x.shape[-1])
        n = max(output.last for output in step.outputs)
        y = np.zeros((len(flat), n), np.int64 if step.exact else np.float64)
        if len(flat):  # onnxruntime lets empty tensors through, and so does a product
            acts = self._formatted(step, flat, values)
            for part in step.parts:
                y[:, slice(None) if part.rows is None else part.rows] += self._term(
                    step, part, acts
                )
        return self._outputs(step, y, x.shape[:-1], values)

    def _multiply_chain(
        self, step: ChainRun, values: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        first, last = step.runs[0], step.runs[-1]
        x = values[first.source]
        flat = x.reshape(-1, x.shape[-1])
        if not len(flat):
            y = np.zeros((0, last.outputs[-1].last))
            return self._outputs(last, y, x.shape[:-1], values)
        if flat.dtype != np.int8:
            raise CompiledModelError(f"{first.source!r} must be int8, not {flat.dtype}")
        chain = self._chains[id(step)]
        serial = self._device.config.pe == "bitserial"
        acc = chain.matmul(flat, act_bits=8 if serial else None).astype(np.int64)
        self.counters.update(chain.counters)
        factors = np.full(len(flat), float(_scalar(values[last.scale])) if last.scale else 1.0)
        (part,) = last.parts
        y = acc if last.exact else self._scaled(part, acc, factors)
        return self._outputs(last, y, x.shape[:-1], values)

    def _formatted(
        self, step: DeviceRun, rows: np.ndarray, values: dict[str, np.ndarray]
    ) -> FormattedActivations:
        """The source's rows, brought to their format once for all parts."""
        if step.activations != "integer":
            return format_activations(rows, step.activations)
        if rows.dtype.name not in _INTEGERS:
            raise CompiledModelError(
                f"{step.source!r} must be one of {', '.join(_INTEGERS)}, not {rows.dtype}"
            )
        zero = _scalar(values[step.zero_point]) if step.zero_point else 0
        scale = _scalar(values[step.scale]) if step.scale else 1
        return replace(
            format_activations(rows, rows.dtype.name),
            scales=np.full(len(rows), float(scale)),
            zero_points=np.full(len(rows), int(zero)),
        )

    def _term(self, step: DeviceRun, part: MatrixPart, acts: FormattedActivations) -> np.ndarray:
        weights = self._matrices[part.matrix]
        if part.columns is not None:
            # Column -1 stands for zero, which is the zero point where there is one.
            zeros = acts.zero_points.astype(acts.values.dtype)[:, None]
            values = np.concatenate([acts.values, zeros], axis=1)
            acts = replace(acts, values=values[:, part.columns])
        coded = encode_activations(acts, weights.layout)
        serial = self._device.config.pe == "bitserial"
        acc = self._device.matmul(
            coded.integers,
            weights,
            exponents=coded.exponents,
            act_bits=coded.bits if serial else None,
        )
        self.counters.update(self._device.counters)
        acc = coded.sums(acc, part.sums)
        if step.exact:
            return acc << part.exponent
        return self._scaled(part, acc, coded.factors)

    @staticmethod
    def _scaled(part: MatrixPart, acc: np.ndarray, factors: np.ndarray) -> np.ndarray:
        y = np.ldexp(acc * factors[:, None], part.exponent)
        return y if part.scales is None else y * part.scales.astype(np.float64)

    def _outputs(
        self,
        step: DeviceRun,
        y: np.ndarray,
        leading: tuple[int, ...],
        values: dict[str, np.ndarray],
    ) -> dict[str, np.ndarray]:
        results = {}
        for output in step.outputs:
            with np.errstate(over="ignore"):  # half precision may become infinite
                part = y[:, output.first : output.last].astype(output.dtype)
                if output.bias is not None:
                    part = (part + _bias(values[output.bias], part, output.bias)).astype(
                        output.dtype
                    )
            results[output.name] = part.reshape(*leading, output.last - output.first)
        return results

    def close(self) -> None:
        """Give the device's memory back."""
        for matrix in self._matrices:
            matrix.free()


def _bias(bias: np.ndarray, product: np.ndarray, name: str) -> np.ndarray:
    wanted = [
        extent in (1, have)
        for extent, have in zip(bias.shape[::-1], product.shape[::-1], strict=False)
    ]
    if not all(wanted) or bias.ndim > product.ndim or bias.dtype.kind not in "fiu":
        raise CompiledModelError(
            f"bias {name!r} must fit {product.shape}, not be {bias.dtype} {bias.shape}"
        )
    return bias


def _scalar(value: np.ndarray) -> np.ndarray:
    return np.asarray(value).reshape(-1)[0]
