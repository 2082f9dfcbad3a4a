"""The TensorFlow Lite files a student can become: their widths, names, and names in `metrics.json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcukd.errors import UserError
from mcukd.text import did_you_mean, listed


@dataclass(frozen=True)
class TfliteWidths:
    """One kind of file: 8-bit weights, activations and state of `activation_bits`, sums of `bias_bits`.

    file: its name in a study. metric: its name in `metrics.json`. title: as tables and progress bars name it.
    """

    name: str
    activation_bits: int
    bias_bits: int
    title: str

    @property
    def file(self) -> str:
        """Name of the file in a study."""
        return f"student_{self.name}.tflite"

    @property
    def metric(self) -> str:
        """Name of its scores in `metrics.json`."""
        return f"tflite_{self.name}"


INT8 = TfliteWidths("int8", 8, 32, "TFLite int8")
INT16X8 = TfliteWidths("int16x8", 16, 64, "TFLite int16x8")
TFLITE_WIDTHS = {one.name: one for one in (INT8, INT16X8)}
#: Kinds of file that are made where nobody says otherwise.
DEFAULT_TFLITE = (INT8.name,)
#: What `--tflite` takes for all of them.
BOTH = "both"


def parse_tflite(value: str) -> tuple[str, ...]:
    """Return the kinds of file that the value of `--tflite` asks for. Raises UserError for another value."""
    if value == BOTH:
        return tuple(TFLITE_WIDTHS)
    if value not in TFLITE_WIDTHS:
        known = (*TFLITE_WIDTHS, BOTH)
        raise UserError(
            f"--tflite is '{value}', expected one of {listed(known)}{did_you_mean(value, known)}; choose one "
            "of these, or --no-tflite for no file."
        )
    return (value,)


def tflite_value(asked: Sequence[str]) -> str:
    """Return the value of `--tflite` that asks for these kinds of file, of which there is at least one."""
    return asked[0] if len(asked) == 1 else BOTH


def asked_tflite(recorded: object) -> tuple[str, ...]:
    """Return the kinds of file that a quantize stage recorded: a list of names, or a yes or no to int8."""
    if isinstance(recorded, list):
        return tuple(recorded)
    return DEFAULT_TFLITE if recorded else ()


def recorded_tflite(asked: Sequence[str]) -> object:
    """Return how a quantize stage records kinds of file: studies with int8 or none stay what they were."""
    ordered = [name for name in TFLITE_WIDTHS if name in asked]
    return ordered if set(ordered) - set(DEFAULT_TFLITE) else bool(ordered)
