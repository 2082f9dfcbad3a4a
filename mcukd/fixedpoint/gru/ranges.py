"""Ranges of an integer model's tensors: where they lie, what saturates and how far they are from float.

The float student and the integer model run side by side on the same windows, step by step, each with its own
state. The error of a tensor is the difference between the two. Clipped values are counted by window, so that
they can be attributed to a behaviour or an animal.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.fixedpoint.arithmetic import IntArray
from mcukd.fixedpoint.gru.model import GruMlpModel
from mcukd.fixedpoint.gru.reference import Machine
from mcukd.fixedpoint.machine import Saturations
from mcukd.models.weights import GruMlpWeights
from mcukd.progress import progress

#: Percentages whose quantiles are kept.
QUANTILES = (0, 1, 25, 50, 75, 99, 100)
#: Steps of each window whose values the quantiles are computed from; extremes and errors are of all steps.
_QUANTILE_STEPS = 16
_STEP_TENSORS = ("z_pre", "r_pre", "z", "r", "h_rec", "h_pre", "h_cand", "h")


class SaturationsByWindow(Saturations):
    """Saturations that are also counted by window: `clipped` is tensor → (N,) counts."""

    def __init__(self) -> None:
        super().__init__()
        self.clipped: dict[str, IntArray] = {}

    def count(self, tensor: str, clipped: NDArray[np.bool_]) -> None:
        """Count which values (N, …) of a tensor were clipped."""
        super().count(tensor, clipped)
        hits = np.count_nonzero(clipped, axis=1)
        self.clipped[tensor] = self.clipped.get(tensor, np.zeros(len(clipped), np.int64)) + hits


@dataclass
class _Tensor:
    """Statistics of one tensor: its values in the float model, and the error of its integers."""

    kept: list[NDArray[np.float64]] = field(default_factory=list)
    low: float = np.inf
    high: float = -np.inf
    squared_error: float = 0.0
    worst_error: float = 0.0
    count: int = 0

    def add(self, real: NDArray[np.float64], integer: NDArray[np.float64], keep: bool) -> None:
        self.low, self.high = min(self.low, float(real.min())), max(self.high, float(real.max()))
        error = integer - real
        self.squared_error += float(np.sum(error**2))
        self.worst_error = max(self.worst_error, float(np.abs(error).max()))
        self.count += real.size
        if keep:
            self.kept.append(real.ravel())


def measure_ranges(
    weights: GruMlpWeights,
    model: GruMlpModel,
    windows: Windows,
    begun: tuple[NDArray[np.float64], NDArray[np.int16]] | None = None,
) -> dict[str, Any]:
    """Run both models on the windows and return what `ranges.json` holds.

    tensors: by name the format (bits, fractional_length, step, low, high), `quantiles` of the float values
    and of their `magnitudes`, their `minimum` and `maximum`, `rms_error` and `max_error` of the integers,
    `values` seen, `saturated` and `saturated_share`, and both again `by_class` and `by_animal`. begun: (N, H)
    each, the float and the integer states before the windows, where these are carried; zero without.
    """
    made = [target for _, _, target in model.head_layers]
    tensors = {name: _Tensor() for name in ("input", *_STEP_TENSORS, *made)}
    saturations, steps = SaturationsByWindow(), windows.counts.shape[1]
    machine = Machine(model, saturations)
    state = machine.zero_state(len(windows))
    real_state = np.zeros((len(windows), weights.hidden))
    if begun is not None:
        real_state, state = begun[0], begun[1].astype(state.dtype)
    kept = set(np.linspace(0, steps - 1, min(_QUANTILE_STEPS, steps)).astype(int).tolist())
    with progress("Ranges", steps) as advance:
        for t in range(steps):
            sample = windows.counts[:, t].astype(np.int64)
            integers = machine.step(state, sample)
            real = _float_step(weights, sample, real_state)
            tensors["input"].add(sample.astype(np.float64), sample.astype(np.float64), t in kept)
            for name in _STEP_TENSORS:
                tensors[name].add(real[name], _value(model, name, integers[name]), t in kept)
            state, real_state = integers["h"], real["h"]
            advance(1, "")
    head = weights.head
    real = {"dense_out": head.hidden(real_state), "logits": head.logits(real_state)}
    for name, mantissas in machine.head(state).items():
        tensors[name].add(real[name], _value(model, name, mantissas), keep=True)
    return {
        "model_sha256": model.sha256,
        "windows": len(windows),
        "steps": steps,
        "tensors": {
            name: _facts(name, seen, model, saturations.clipped.get(name), windows)
            for name, seen in tensors.items()
        },
    }


def _float_step(
    weights: GruMlpWeights, sample: IntArray, state: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Take one step of the float student (N, C), (N, H) and return every tensor."""
    x = (sample - weights.mean) / weights.std
    xz, xr, xh = np.split(x @ weights.kernel + weights.bias[0], 3, axis=1)
    hz, hr, h_rec = np.split(state @ weights.recurrent + weights.bias[1], 3, axis=1)
    z, r = 1 / (1 + np.exp(-(xz + hz))), 1 / (1 + np.exp(-(xr + hr)))
    h_pre = xh + r * h_rec
    candidate = np.tanh(h_pre)
    return {
        "z_pre": xz + hz, "r_pre": xr + hr, "z": z, "r": r,
        "h_rec": h_rec, "h_pre": h_pre, "h_cand": candidate, "h": z * state + (1 - z) * candidate,
    }  # fmt: skip


def _value(model: GruMlpModel, name: str, mantissas: IntArray) -> NDArray[np.float64]:
    length = {"z": 16, "r": 16, "h_cand": 15}.get(name)
    return np.ldexp(mantissas.astype(np.float64), -(model.length(name) if length is None else length))


def _facts(
    name: str, seen: _Tensor, model: GruMlpModel, clipped: IntArray | None, windows: Windows
) -> dict[str, Any]:
    counts = np.zeros(len(windows), np.int64) if clipped is None else clipped
    values, kept = seen.count // len(windows), np.concatenate(seen.kept)
    fmt = model.formats.get(name)
    bits, length = (fmt.bits, fmt.fractional_length) if fmt else (16, 15 if name == "h_cand" else 16)
    unsigned = fmt is None and name != "h_cand"
    return {
        "bits": bits,
        "fractional_length": length,
        "step": 2.0**-length,
        "low": 0.0 if unsigned else -(2.0 ** (bits - 1 - length)),
        "high": 2.0 ** (bits - (0 if unsigned else 1) - length),
        "quantiles": _quantiles(kept),
        "magnitudes": _quantiles(np.abs(kept)),
        "minimum": seen.low,
        "maximum": seen.high,
        "rms_error": float(np.sqrt(seen.squared_error / seen.count)),
        "max_error": seen.worst_error,
        "values": seen.count,
        "saturated": int(counts.sum()),
        "saturated_share": float(counts.sum() / seen.count),
        "by_class": _grouped(counts, values, np.array(windows.classes)[windows.labels]),
        "by_animal": _grouped(counts, values, windows.animals),
    }


def _quantiles(values: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(map(str, QUANTILES), np.percentile(values, QUANTILES).tolist()))


def _grouped(counts: IntArray, values: int, groups: NDArray[Any]) -> dict[str, dict[str, Any]]:
    """Return count and share of clipped values by group; `values` is how many a window has."""
    windows = Counter(groups.tolist())
    return {
        str(group): {
            "saturated": int(counts[groups == group].sum()),
            "share": float(counts[groups == group].sum() / (number * values)),
        }
        for group, number in sorted(windows.items())
    }
