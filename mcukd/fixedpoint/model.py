"""The integer model: everything a device computes with, as one loadable artefact."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError
from mcukd.files import replacing, write_json
from mcukd.fixedpoint import gates
from mcukd.fixedpoint.arithmetic import QFormat
from mcukd.fixedpoint.packing import Packing, pairs

ARRAYS_FILE = "fixedpoint.npz"
FACTS_FILE = "fixedpoint.json"
#: Raised whenever `docs/arithmetic.md` changes a bit of any result.
ARITHMETIC_VERSION = 2

GATES = ("z", "r", "h")
#: Arrays of a model and their dtype; gate arrays are stored with one row per unit.
ARRAY_TYPES = {
    **{f"kernel_{gate}": np.int16 for gate in GATES},
    **{f"recurrent_{gate}": np.int16 for gate in GATES},
    **{f"bias_{gate}": np.int32 for gate in GATES},
    "bias_h_rec": np.int32,
    "dense": np.int16,
    "dense_bias": np.int32,
    "output": np.int16,
    "output_bias": np.int32,
    "known_windows": np.int16,
}
#: What a trace gives of one step, each (H,).
TRACE_TENSORS = ("z_pre", "r_pre", "z", "r", "h_rec", "h_pre", "h_cand", "h")
WEIGHTS = (*(f"kernel_{g}" for g in GATES), *(f"recurrent_{g}" for g in GATES), "dense", "output")


#: Layers of a head, each with the tensors it reads and makes; without a hidden layer scores read the state.
_MLP_LAYERS = (("dense", "h", "dense_out"), ("output", "dense_out", "logits"))
_DIRECT_LAYERS = (("output", "h", "logits"),)


def head_layers(names: Container[str]) -> tuple[tuple[str, str, str], ...]:
    """Return the layers of a head with weights of these names: (weights, what they read, what they make)."""
    return _MLP_LAYERS if "dense" in names else _DIRECT_LAYERS


@dataclass(frozen=True)
class TensorFormat:
    """The format of one group of numbers and what calibration saw of it.

    observed_min, observed_max: values on the calibration windows (for weights: the float weights).
    saturations: how many of the calibration values were clipped. kind: "weight", "activation" or "sum"
    (32 bits, proven not to overflow, so nothing is observed). row_lengths: for weights whose rows have
    lengths of their own, those; input kernels give the shortest as `fractional_length`.
    """

    bits: int
    fractional_length: int
    observed_min: float
    observed_max: float
    saturations: int
    kind: str
    row_lengths: Optional[tuple[int, ...]] = None

    @property
    def q(self) -> QFormat:
        """The bare format."""
        return QFormat(self.bits, self.fractional_length)


@dataclass(frozen=True)
class IntegerModel:
    """GRU(H) and a head on int16 sensor counts, in integers.

    The head is Dense(M, ReLU) → Dense(K), or K·P scores of the state, of which the largest of each class's P
    is its logit: a linear head where P is 1, else one of prototypes. These have no `dense`, no `dense_out`.

    gates: which kind of gate table, of `gates.KINDS`.
    state_shift: bits of the state that sums leave out, so that they stay within 32 bits.
    formats: by tensor name, the weights in `WEIGHTS`, the activations `input`, `z_pre`, `r_pre`, `h_rec`,
    `h_pre`, `h` (state), `dense_out`, `logits`, and the sums `z_sum`, `r_sum`, `h_sum`.
    arrays: by the names of `ARRAY_TYPES`; kernel_* (H, C) at the length of their sum, recurrent_* (H, H)
    with `packing.slack` bits below their own, dense (M, H), output (K, M) or (K·P, H), biases one per row
    at the fractional length of the sum they start, known_windows (n, T, C) int16 counts for the firmware's
    known-answer test.
    bounds: for each 32-bit accumulator the largest magnitude any input can drive it to.
    """

    bits: int
    activation_bits: int
    gates: str
    state_shift: int
    window: int
    hop: int
    classes: tuple[str, ...]
    rate_hz: float
    counts_per_g: float
    card: str
    simulated: bool
    formats: dict[str, TensorFormat]
    arrays: dict[str, NDArray[Any]]
    bounds: dict[str, int]

    #: The structure of student that this is the integer form of, as in `mcukd distill --student`.
    student: ClassVar[str] = "gru-mlp"
    array_types: ClassVar[Mapping[str, Any]] = ARRAY_TYPES
    #: Tensors of one step, in the order of their numbers in the protocol's TRACE.
    trace_tensors: ClassVar[tuple[str, ...]] = TRACE_TENSORS

    @property
    def channels(self) -> int:
        """C, the number of sensor channels."""
        return int(self.arrays["kernel_z"].shape[1])

    @property
    def hidden(self) -> int:
        """H, the number of GRU units."""
        return int(self.arrays["recurrent_z"].shape[0])

    @property
    def dense(self) -> int:
        """M, the number of units of the hidden dense layer; 0 where the head has none."""
        return len(self.arrays["dense"]) if "dense" in self.arrays else 0

    @property
    def prototypes(self) -> int:
        """P, the number of scores whose largest is a class's logit."""
        return len(self.arrays["output"]) // len(self.classes)

    @property
    def head(self) -> str:
        """The kind of head, of `mcukd.models.weights.HEADS`."""
        if self.dense:
            return "mlp"
        return "prototype" if self.prototypes > 1 else "linear"

    @property
    def head_bits(self) -> int:
        """Width of the head's weights; `bits` is that of the recurrent ones."""
        return self.formats["output"].bits

    @property
    def packing(self) -> Packing:
        """How the recurrent weights lie in memory."""
        return Packing(self.bits)

    @property
    def observed_formats(self) -> dict[str, TensorFormat]:
        """Formats of weights and activations: all but the sums, which fit by proof."""
        return {name: fmt for name, fmt in self.formats.items() if fmt.kind != "sum"}

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights and biases on the device; see `gru_weight_bytes`."""
        scores = len(self.arrays["output"])
        return gru_weight_bytes(
            self.channels, self.hidden, self.dense, scores, bits=self.bits, head_bits=self.head_bits
        )

    @property
    def table_bytes(self) -> int:
        """Bytes of the gate table on the device."""
        return gates.table_bytes(self.gates)

    def length(self, tensor: str) -> int:
        """Return the fractional length of a tensor."""
        return self.formats[tensor].fractional_length

    @property
    def shifts(self) -> dict[str, int]:
        """Right shifts of the step and the head, none negative; see `step_shifts`."""
        lengths = {name: fmt.fractional_length for name, fmt in self.formats.items()}
        return step_shifts(lengths, self.packing, self.state_shift)

    @property
    def sha256(self) -> str:
        """SHA-256 of all that decides a bit of any result, in hexadecimal."""
        digest = hashlib.sha256()
        facts = {
            "arithmetic": ARITHMETIC_VERSION,
            "window": self.window,
            "hop": self.hop,
            "classes": self.classes,
            "rate_hz": self.rate_hz,
            "counts_per_g": self.counts_per_g,
            "bits": self.bits,
            "activation_bits": self.activation_bits,
            "gates": self.gates,
            "state_shift": self.state_shift,
            "formats": {
                name: [fmt.bits, fmt.fractional_length] for name, fmt in sorted(self.formats.items())
            },
            **_student_facts(self),
        }
        digest.update(json.dumps(facts, sort_keys=True).encode())
        for name in sorted(self.arrays):
            array = np.ascontiguousarray(self.arrays[name])
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()


def gru_weight_bytes(
    channels: int, hidden: int, dense: int, scores: int, *, bits: int, head_bits: int
) -> int:
    """Return the bytes of weights and biases of GRU(H) and its head on the device, without padding.

    dense: M, 0 where the head has no hidden layer. scores: K·P. bits: of recurrent weights, which take their
    slots. Input kernels take two bytes a weight, those of the head one up to eight bits and two above, biases
    four.
    """
    recurrent = 4 * pairs(hidden) * Packing(bits).words(hidden)
    kernels = 2 * len(GATES) * hidden * channels
    head = (1 if head_bits <= 8 else 2) * (dense * (hidden + scores) if dense else hidden * scores)
    biases = 4 * ((len(GATES) + 1) * hidden + dense + scores)
    return recurrent + kernels + head + biases


def step_shifts(lengths: Mapping[str, int], packing: Packing, state_shift: int) -> dict[str, int]:
    """Return the right shifts that bring sums from one length to the next (`docs/arithmetic.md`).

    state_z, state_r: of the state's part to the sum. h_rec: of the candidate's state part. gated: of
    r · h_rec to the sum. z_pre, r_pre, h_pre: of sums to pre-activations. h: of Q0.15 to the state.
    """
    state = {
        gate: lengths[f"recurrent_{gate}"] + packing.slack + lengths["h"] - state_shift for gate in GATES
    }
    return {
        **{f"state_{gate}": state[gate] - lengths[f"{gate}_sum"] for gate in ("z", "r")},
        "h_rec": state["h"] - lengths["h_rec"],
        "gated": 16 + lengths["h_rec"] - lengths["h_sum"],
        **{f"{gate}_pre": lengths[f"{gate}_sum"] - lengths[f"{gate}_pre"] for gate in GATES},
        "h": 15 - lengths["h"],
        **{
            layer: lengths[layer] + lengths[source] - lengths[target]
            for layer, source, target in head_layers(lengths)
        },
    }


def save_model(model: IntegerModel, directory: Path) -> list[Path]:
    """Write `fixedpoint.npz` and `fixedpoint.json` and return their paths; same model, same bytes."""
    arrays, facts = directory / ARRAYS_FILE, directory / FACTS_FILE
    content = asdict(model)
    del content["arrays"]
    with replacing(arrays) as temporary:
        np.savez(temporary, **model.arrays)
    header = {"arithmetic": ARITHMETIC_VERSION, "sha256": model.sha256, **_student_facts(model)}
    write_json(facts, {**header, **content})
    return [arrays, facts]


def load_model(directory: Path) -> IntegerModel:
    """Read an integer model from a study directory, without TensorFlow.

    Raises UserError where a file is missing or damaged, or the two do not belong together.
    """
    arrays_file, facts_file = directory / ARRAYS_FILE, directory / FACTS_FILE
    remedy = f"run 'mcukd quantize --run {directory}' to make it anew"
    for file in (arrays_file, facts_file):
        if not file.exists():
            raise UserError(f"{file}: not there; {remedy}.")
    try:
        with np.load(arrays_file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{arrays_file}: damaged ({error}); {remedy}.") from error
    try:
        facts = json.loads(facts_file.read_text(encoding="utf-8"))
        form = _form(facts.pop("student", IntegerModel.student))
        expected, arithmetic = facts.pop("sha256"), facts.pop("arithmetic")
        facts["formats"] = {name: _format(fmt) for name, fmt in facts["formats"].items()}
        facts["classes"] = tuple(facts["classes"])
        model = form(arrays=arrays, **facts)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{facts_file}: damaged ({error}); {remedy}.") from error
    wrong = [
        name
        for name, kind in form.array_types.items()
        if (name not in arrays or arrays[name].dtype != kind)
        and ("dense" in model.formats or name not in ("dense", "dense_bias"))
    ]
    if wrong:
        raise UserError(f"{arrays_file}: array '{wrong[0]}' is missing or of another type; {remedy}.")
    if arithmetic != ARITHMETIC_VERSION:
        raise UserError(
            f"{facts_file}: made for arithmetic version {arithmetic}, this mcukd computes version "
            f"{ARITHMETIC_VERSION}; {remedy}."
        )
    if model.sha256 != expected:
        raise UserError(f"{arrays_file}: its content is not what {FACTS_FILE} was written for; {remedy}.")
    return model


def _student_facts(model: IntegerModel) -> dict[str, str]:
    """Name the structure where it is not the usual one, so that earlier files and hashes hold."""
    return {} if model.student == IntegerModel.student else {"student": model.student}


def _form(student: str) -> type[IntegerModel]:
    from mcukd.fixedpoint.filters.model import FilterModel

    return {form.student: form for form in (IntegerModel, FilterModel)}[student]


def _format(fields: dict[str, Any]) -> TensorFormat:
    rows = fields.pop("row_lengths")
    return TensorFormat(**fields, row_lengths=None if rows is None else tuple(rows))
