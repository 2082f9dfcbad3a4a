"""Mixed precision of the GRU-MLP: the widths that a device can mix, and the flash that they take.

Recurrent weights have slots of 4, 5, 8 or 16 bits (`packing`), a weight of the head has one or two bytes, and
there are two kinds of gate table. Input kernels lie in memory with 16 bits whatever their width, so they are
given all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mcukd.fixedpoint import gates
from mcukd.fixedpoint.config import QuantizeConfig
from mcukd.fixedpoint.families import MixedWidths
from mcukd.fixedpoint.gates import GATE_TABLES
from mcukd.fixedpoint.gru.model import gru_weight_bytes
from mcukd.models.weights import GruMlpWeights

RECURRENT_BITS = (4, 5, 8, 16)
HEAD_BITS = (8, 16)
KERNEL_BITS = 16


def candidates(base: QuantizeConfig, kinds: Sequence[str] = GATE_TABLES) -> list[QuantizeConfig]:
    """Return all widths that are tried; `base` gives the activations' width."""
    return [
        replace(base, bits=bits, kernel_bits=KERNEL_BITS, head_bits=head, gates=kind)
        for bits in RECURRENT_BITS
        for head in HEAD_BITS
        for kind in kinds
    ]


def flash_bytes(weights: GruMlpWeights, config: QuantizeConfig) -> int:
    """Return the bytes of weights, biases and gate table that a student takes with these widths."""
    scores = weights.classes * weights.prototypes
    shape = (weights.channels, weights.hidden, weights.dense, scores)
    widths = {"bits": config.bits, "head_bits": config.widths.head}
    return gru_weight_bytes(*shape, **widths) + gates.table_bytes(config.gates)


MIXED = MixedWidths(candidates, flash_bytes)
