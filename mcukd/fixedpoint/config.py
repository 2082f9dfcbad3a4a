"""Widths of an integer model: the options of quantization, and the names its results have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from mcukd.errors import UserError
from mcukd.fixedpoint.gates import GATE_TABLES
from mcukd.models.tflite_widths import INT8
from mcukd.text import did_you_mean, listed

#: Name in `metrics.json` of the student as TensorFlow Lite int8.
TFLITE_METRIC = INT8.metric
#: Raise it when quantization changes in a way options do not show: studies made before are then stale.
VERSION = 2

BITS = range(4, 17)
ACTIVATION_BITS = range(8, 17)


class Widths(NamedTuple):
    """Bits of recurrent weights, of input kernels, of the head's weights, and of state and dense output."""

    recurrent: int
    kernel: int
    head: int
    activation: int


@dataclass(frozen=True)
class QuantizeConfig:
    """Widths: `bits` for the weights (4…16), `activation_bits` for state and dense output (8…16).

    gates: kind of gate table, `interpolated` or `direct` (`gates.py`). kernel_bits, head_bits: widths of the
    input kernels and of the head's weights where they are not `bits`.
    Raises UserError for widths outside these ranges and unknown tables.
    """

    bits: int = 8
    activation_bits: int = 16
    gates: str = "interpolated"
    kernel_bits: int | None = None
    head_bits: int | None = None

    def __post_init__(self) -> None:
        for option, value, allowed in (
            ("--bits", self.bits, BITS),
            ("--activation-bits", self.activation_bits, ACTIVATION_BITS),
            ("kernel_bits", self.widths.kernel, BITS),
            ("head_bits", self.widths.head, BITS),
        ):
            if value not in allowed:
                raise UserError(
                    f"{option} {value}: weights and activations have {allowed.start} to {allowed.stop - 1} "
                    f"bits here; choose a width in that range."
                )
        if self.gates not in GATE_TABLES:
            raise UserError(
                f"--gates {self.gates}: no such gate table{did_you_mean(self.gates, GATE_TABLES)}; "
                f"choose one of {listed(GATE_TABLES)}."
            )

    @property
    def widths(self) -> Widths:
        """The width of each kind of number."""
        kernel = self.bits if self.kernel_bits is None else self.kernel_bits
        head = self.bits if self.head_bits is None else self.head_bits
        return Widths(self.bits, kernel, head, self.activation_bits)

    def options(self) -> dict[str, Any]:
        """Return everything that decides the results, in JSON types, without widths not given."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def metrics_name(options: Mapping[str, Any]) -> str:
    """Return the name in `metrics.json` of what a quantize stage with these options made.

    `fixed_point_<bits>`, `fixed_point_auto` for widths that were searched, with `_qat` after training.
    """
    width = "auto" if "goal" in options else options["bits"]
    return f"fixed_point_{width}" + ("_qat" if "qat" in options else "")
