"""Where an integer model's tensors lie in their ranges, what saturates for whom, and how far integers stray.

The float student and the integer model run side by side on the same windows, step by step, each with its own
state. What is left of the float model in the integers, tensor by tensor, is the error; what was clipped is
counted by window, so that it can be laid at the door of a behaviour or an animal.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import load_card
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.files import write_json
from mcukd.fixedpoint.arithmetic import IntArray, saturate
from mcukd.fixedpoint.model import IntegerModel, head_layers, load_model
from mcukd.fixedpoint.reference import Machine
from mcukd.models.weights import StudentWeights
from mcukd.progress import progress
from mcukd.study import STUDENT_FILE, Study

RANGES_FILE = "ranges.json"
#: Percentages whose quantiles are kept.
QUANTILES = (0, 1, 25, 50, 75, 99, 100)
#: A tensor that clips more often than this is worth a sentence.
WORTH_SAYING = 1e-3
_WINDOWS = 2048
#: Quantiles are of the values at so many moments of each window; extremes and errors of all.
_MOMENTS = 16
_STEP_TENSORS = ("z_pre", "r_pre", "z", "r", "h_rec", "h_pre", "h_cand", "h")


@dataclass
class CountingMachine(Machine):
    """A machine that also counts what it clips by window: `clipped` is tensor → (N,) counts."""

    clipped: dict[str, IntArray] = field(default_factory=dict)

    def _narrow(self, values: IntArray, tensor: str, bits: int) -> IntArray:
        hits = np.count_nonzero(saturate(values, bits) != values, axis=1)
        self.clipped[tensor] = self.clipped.get(tensor, np.zeros(len(values), np.int64)) + hits
        return super()._narrow(values, tensor, bits)


@dataclass
class _Tensor:
    """What was seen of one tensor's real values, and of the integers' error."""

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


def measure_ranges(weights: StudentWeights, model: IntegerModel, windows: Windows) -> dict[str, Any]:
    """Run both models on the windows and return what `ranges.json` holds.

    tensors: by name the format (bits, fractional_length, step, low, high), `quantiles` of the float values
    and of their `magnitudes`, their `minimum` and `maximum`, `rms_error` and `max_error` of the integers,
    `values` seen, `saturated` and `saturated_share`, and both again `by_class` and `by_animal`.
    """
    made = [target for _, _, target in head_layers(model.formats)]
    tensors = {name: _Tensor() for name in ("input", *_STEP_TENSORS, *made)}
    machine, steps = CountingMachine(model), windows.counts.shape[1]
    clipped_input = np.zeros(len(windows), np.int64)
    state = machine.zero_state(len(windows))
    real_state = np.zeros((len(windows), weights.hidden))
    kept = set(np.linspace(0, steps - 1, min(_MOMENTS, steps)).astype(int).tolist())
    with progress("Ranges", steps) as advance:
        for t in range(steps):
            sample = windows.counts[:, t].astype(np.int64)
            clipped_input += np.count_nonzero((sample <= -32768) | (sample >= 32767), axis=1)
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
    machine.clipped["input"] = clipped_input
    return {
        "model_sha256": model.sha256,
        "windows": len(windows),
        "steps": steps,
        "tensors": {
            name: _facts(name, seen, model, machine.clipped.get(name), windows)
            for name, seen in tensors.items()
        },
    }


def ranges_study(study: Study, data_root: Optional[Path] = None) -> tuple[dict[str, Any], bool]:
    """Measure a study's shipped model on its evaluation windows into `ranges.json`; nothing where current.

    At most 2,048 windows, spread evenly. Returns the content and whether anything was done.
    Raises UserError for a missing or stale model, and at once for a student that is no gru-mlp.
    """
    import json

    from mcukd.models.gru_mlp import load_student, student_weights
    from mcukd.models.student import require_integers

    require_integers(study, "'mcukd ranges'")
    if study.options("distill").get("student", IntegerModel.student) != IntegerModel.student:
        raise _no_gru(study)
    study.require("quantize")
    model = load_model(study.path)
    if model.student != IntegerModel.student:
        raise _no_gru(study)
    card = load_card(study.card)
    root, seed = study.data_root(data_root), int(study.manifest["seed"])
    inputs = {
        **study.inputs("fixedpoint.npz", "fixedpoint.json", STUDENT_FILE),
        "data": dataset_sha256(card, root, seed),
    }
    path = study.file(RANGES_FILE)
    if study.is_current("ranges", inputs, {"windows": _WINDOWS}):
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content, False
    windows = load_windows(card, root, seed=seed)
    if len(windows) > _WINDOWS:
        windows = windows.take(np.linspace(0, len(windows) - 1, _WINDOWS).astype(np.int64))
    content = measure_ranges(student_weights(load_student(study.file(STUDENT_FILE))), model, windows)
    write_json(path, content)
    study.finish("ranges", inputs=inputs, options={"windows": _WINDOWS}, outputs=[path])
    return content, True


def _no_gru(study: Study) -> UserError:
    return UserError(
        f"{study.path}: 'mcukd ranges' follows a gru-mlp step by step, and this study's student is a "
        "filter-mlp; 'mcukd quantize' shows what each of its tensors saw, can represent and clipped."
    )


def read_ranges(study: Study, model: IntegerModel) -> Optional[dict[str, Any]]:
    """Return what `ranges_study` wrote of this model, or None where it did not yet."""
    import json

    path = study.file(RANGES_FILE)
    if "ranges" not in study.manifest["stages"] or not path.exists():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content if content["model_sha256"] == model.sha256 else None


def sentences(ranges: dict[str, Any]) -> list[str]:
    """Say which tensors clip more than one value in a thousand, where most, and what that means."""
    found = []
    for name, tensor in ranges["tensors"].items():
        if tensor["saturated_share"] <= WORTH_SAYING:
            continue
        worst = [
            max(tensor[group].items(), key=lambda item: float(item[1]["share"]))
            for group in ("by_class", "by_animal")
        ]
        places = " and ".join(f"{place} ({facts['share']:.2%})" for place, facts in worst)
        found.append(
            f"{name} clips {tensor['saturated_share']:.2%} of its values, most in {places}: {_why(name)}."
        )
    return found or ["No tensor clips more than one value in a thousand."]


def _why(name: str) -> str:
    if name.endswith("_pre"):
        return "its gate is flat there, so nothing is lost"
    if name == "input":
        return "the samples reach the end of the sensor's range, which no arithmetic mends; check the card"
    return "its format is too narrow for these animals; calibrate with data like theirs"


def _float_step(
    weights: StudentWeights, sample: IntArray, state: NDArray[np.float64]
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


def _value(model: IntegerModel, name: str, mantissas: IntArray) -> NDArray[np.float64]:
    length = {"z": 16, "r": 16, "h_cand": 15}.get(name)
    return np.ldexp(mantissas.astype(np.float64), -(model.length(name) if length is None else length))


def _facts(
    name: str, seen: _Tensor, model: IntegerModel, clipped: Optional[IntArray], windows: Windows
) -> dict[str, Any]:
    counts = np.zeros(len(windows), np.int64) if clipped is None else clipped
    values = seen.count // len(windows)
    fmt = model.formats.get(name)
    bits, length = (fmt.bits, fmt.fractional_length) if fmt else (16, 15 if name == "h_cand" else 16)
    unsigned = fmt is None and name != "h_cand"
    return {
        "bits": bits,
        "fractional_length": length,
        "step": 2.0**-length,
        "low": 0.0 if unsigned else -(2.0 ** (bits - 1 - length)),
        "high": 2.0 ** (bits - (0 if unsigned else 1) - length),
        "quantiles": dict(
            zip(map(str, QUANTILES), np.percentile(np.concatenate(seen.kept), QUANTILES).tolist())
        ),
        "magnitudes": dict(
            zip(map(str, QUANTILES), np.percentile(np.abs(np.concatenate(seen.kept)), QUANTILES).tolist())
        ),
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
