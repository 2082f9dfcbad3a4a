"""The integer model of any student family: everything a device computes with, as one loadable artefact."""

from __future__ import annotations

import hashlib
import json
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError
from mcukd.files import replacing, write_json
from mcukd.fixedpoint.arithmetic import QFormat
from mcukd.models.families import DEFAULT_FAMILY, FAMILIES

ARRAYS_FILE = "fixedpoint.npz"
FACTS_FILE = "fixedpoint.json"
#: Raised whenever `docs/arithmetic.md` changes a bit of any result.
ARITHMETIC_VERSION = 2

#: Order of the first fields in `fixedpoint.json`; others follow in the order of the class.
_FIRST_FACTS = ("bits", "activation_bits", "gates", "state_shift")
#: Fields that are in `fixedpoint.json` and in the hash only where they are true, so that files and hashes of
#: models made before they existed hold.
_FLAGS = ("stream",)
#: Arrays of a head's hidden layer, which only some heads have.
_HIDDEN_LAYER = ("dense", "dense_bias")
#: Outcome that is no class, of models with a refusal rule.
UNKNOWN = "unknown"
#: Arrays of a refusal rule (`mcukd.fixedpoint.refusal`) and their dtypes. Only models with a rule have them,
#: so that all others keep their files and hashes.
RULE_ARRAYS: Mapping[str, Any] = {
    "unknown_margins": np.int32,
    "unknown_whitening": np.int16,
    "unknown_shift": np.int32,
    "unknown_means": np.int16,
    "unknown_limits": np.uint32,
}


def head_layers(names: Container[str], source: str = "h") -> tuple[tuple[str, str, str], ...]:
    """Return the layers of a head with weights of these names: (weights, tensor read, tensor made).

    source: the tensor that the first layer reads. Without a hidden layer the output layer reads it.
    """
    if "dense" in names:
        return ("dense", source, "dense_out"), ("output", "dense_out", "logits")
    return (("output", source, "logits"),)


@dataclass(frozen=True)
class TensorFormat:
    """The format of one group of numbers, and its range on the calibration windows.

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
    row_lengths: tuple[int, ...] | None = None

    @property
    def q(self) -> QFormat:
        """The bare format."""
        return QFormat(self.bits, self.fractional_length)


@dataclass(frozen=True)
class IntegerModel(ABC):
    """A student on int16 sensor counts in integers: what all families have in common.

    A student reads T samples of C axes one after another into a state, and ends in a head: Dense(M, ReLU) →
    Dense(K), or K·P scores, of which the largest of each class's P is its logit (P = 1: a linear head).
    Heads without a hidden layer have no `dense` and no `dense_out`.

    bits: width of the weights. activation_bits: of the state or features and of the dense output.
    window, hop: samples T of a window, and between two classifications. rate_hz, counts_per_g: of the
    samples. card, simulated: the data it was made from.
    formats: by tensor name: weights, activations and 32-bit sums. Every family has the activations `input`
    and `logits`.
    arrays: by the names of `array_types`; of the head `dense` (M, inputs), `output` (K·P, M or inputs), with
    biases at the fractional length of the sum they start; known_windows (n, T, C) int16 counts for the
    firmware's known-answer test; those of a refusal rule (`refusal.py`) where the model has one.
    bounds: for each 32-bit accumulator the largest magnitude any input can drive it to.
    """

    bits: int
    activation_bits: int
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

    #: The student family that this is the integer form of, as in `mcukd distill --student`.
    family: ClassVar[str]
    #: Arrays and their dtypes.
    array_types: ClassVar[Mapping[str, Any]]
    #: 16-bit tensors of one step, in the order of their numbers in the protocol's TRACE.
    trace_tensors: ClassVar[tuple[str, ...]]
    #: The tensor that the head reads.
    head_input: ClassVar[str] = "h"
    #: Facts that every model of the family has in its file and hash, and no field here.
    constant_facts: ClassVar[Mapping[str, Any]] = {}

    @property
    @abstractmethod
    def channels(self) -> int:
        """C, the number of sensor channels."""

    @property
    @abstractmethod
    def state_halfwords(self) -> int:
        """Halfwords of the state that the device's CRC-32 and the protocol's STATE cover."""

    @property
    @abstractmethod
    def weight_bytes(self) -> int:
        """Bytes of weights and biases on the device, without padding."""

    @property
    @abstractmethod
    def shifts(self) -> dict[str, int]:
        """Right shifts that bring sums from one fractional length to the next, none negative."""

    @abstractmethod
    def macs_per_window(self, steps: int) -> int:
        """Return the multiply-accumulates of one window of `steps` samples."""

    @property
    def title(self) -> str:
        """The model in a word or two, for tables."""
        return self.family

    @property
    def stream(self) -> bool:
        """Whether operation carries one state on and on, never reset between results (`docs/arithmetic.md`).

        A family whose students can be used so has a field of this name; windows of all others start from the
        zero state.
        """
        return False

    @property
    def gate_table(self) -> str | None:
        """The kind of gate table that its step reads, of `gates.GATE_TABLES`; None for none."""
        return None

    @property
    def table_bytes(self) -> int:
        """Bytes of tables that are no weights, such as a gate table."""
        return 0

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
        """Width of the head's weights."""
        return self.formats["output"].bits

    @property
    def weight_bits(self) -> str:
        """Widths of the weights as one says them before "-bit": 8; of a family that mixes them 4-, 8-, 16."""
        return str(self.bits)

    @property
    def head_layers(self) -> tuple[tuple[str, str, str], ...]:
        """Layers of the head: (weights, tensor read, tensor made)."""
        return head_layers(self.arrays, self.head_input)

    @property
    def may_refuse(self) -> bool:
        """Whether a result may be "unknown" (`mcukd.fixedpoint.refusal`)."""
        return "unknown_margins" in self.arrays

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Names of what a result may be: the classes, and behind them "unknown" where there is a rule."""
        return (*self.classes, UNKNOWN) if self.may_refuse else self.classes

    @property
    def observed_formats(self) -> dict[str, TensorFormat]:
        """Formats of weights and activations: all but the sums, which fit by proof."""
        return {name: fmt for name, fmt in self.formats.items() if fmt.kind != "sum"}

    def length(self, tensor: str) -> int:
        """Return the fractional length of a tensor."""
        return self.formats[tensor].fractional_length

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
            "formats": {
                name: [fmt.bits, fmt.fractional_length] for name, fmt in sorted(self.formats.items())
            },
            **{name: getattr(self, name) for name in _own_fields(type(self)) if name not in _FLAGS},
            **{name: True for name in _FLAGS if getattr(self, name)},
            **self.constant_facts,
            **_family_fact(self),
        }
        digest.update(json.dumps(facts, sort_keys=True).encode())
        for name in sorted(self.arrays):
            array = np.ascontiguousarray(self.arrays[name])
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()


def save_model(model: IntegerModel, directory: Path) -> list[Path]:
    """Write `fixedpoint.npz` and `fixedpoint.json`, return their paths; same model and Python, same bytes."""
    arrays, facts = directory / ARRAYS_FILE, directory / FACTS_FILE
    content = {**asdict(model), **model.constant_facts}
    del content["arrays"]
    for name in _FLAGS:
        if not content.get(name):
            content.pop(name, None)
    with replacing(arrays) as temporary:
        np.savez(temporary, **model.arrays)
    header = {"arithmetic": ARITHMETIC_VERSION, "sha256": model.sha256, **_family_fact(model)}
    first = {name: content.pop(name) for name in _FIRST_FACTS if name in content}
    write_json(facts, {**header, **first, **content})
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
        family = FAMILIES.find(facts.pop("student", DEFAULT_FAMILY), f"{facts_file}: student")
        form: type[IntegerModel] = family.part("integers").model
        expected, arithmetic = facts.pop("sha256"), facts.pop("arithmetic")
        facts["formats"] = {name: _format(fmt) for name, fmt in facts["formats"].items()}
        facts["classes"] = tuple(facts["classes"])
        for name in form.constant_facts:
            del facts[name]
        model = form(arrays=arrays, **facts)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{facts_file}: damaged ({error}); {remedy}.") from error
    wrong = [
        name
        for name, kind in form.array_types.items()
        if (name not in arrays or arrays[name].dtype != kind)
        and ("dense" in model.formats or name not in _HIDDEN_LAYER)
    ]
    wrong += [name for name, kind in RULE_ARRAYS.items() if name in arrays and arrays[name].dtype != kind]
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


def _own_fields(form: type[IntegerModel]) -> list[str]:
    """Return the names of the fields that a family adds."""
    common = {field.name for field in fields(IntegerModel)}
    return [field.name for field in fields(form) if field.name not in common]


def _family_fact(model: IntegerModel) -> dict[str, str]:
    """Return the family's name where it is not the default one, so that earlier files and hashes hold."""
    return {} if model.family == DEFAULT_FAMILY else {"student": model.family}


def _format(fields: dict[str, Any]) -> TensorFormat:
    rows = fields.pop("row_lengths")
    return TensorFormat(**fields, row_lengths=None if rows is None else tuple(rows))
