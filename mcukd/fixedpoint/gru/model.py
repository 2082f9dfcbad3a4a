"""Integer model of the GRU-MLP: everything that a device computes with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcukd.fixedpoint import gates
from mcukd.fixedpoint.gru.packing import Packing, pairs
from mcukd.fixedpoint.model import IntegerModel, head_layers

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
#: Tensors of one step in a trace, each (H,).
TRACE_TENSORS = ("z_pre", "r_pre", "z", "r", "h_rec", "h_pre", "h_cand", "h")
WEIGHTS = (*(f"kernel_{g}" for g in GATES), *(f"recurrent_{g}" for g in GATES), "dense", "output")


@dataclass(frozen=True)
class GruMlpModel(IntegerModel):
    """GRU(H) and a head on int16 sensor counts, in integers.

    bits: width of the recurrent weights. gates: which kind of gate table, of `gates.GATE_TABLES`.
    state_shift: bits of the state that sums leave out, so that they stay within 32 bits.
    stream: whether operation carries one state on; in file and hash only where it is true.
    formats: the weights in `WEIGHTS`, the activations `input`, `z_pre`, `r_pre`, `h_rec`, `h_pre`, `h`
    (state), `dense_out`, `logits`, and the sums `z_sum`, `r_sum`, `h_sum`.
    arrays: kernel_* (H, C) at the length of their sum, recurrent_* (H, H) with `packing.slack` bits below
    their own, dense (M, H), output (K, M) or (K·P, H), biases one per row.
    """

    gates: str
    state_shift: int
    stream: bool = False

    family: ClassVar[str] = "gru-mlp"
    array_types: ClassVar[Mapping[str, Any]] = ARRAY_TYPES
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
    def state_halfwords(self) -> int:
        """H: one halfword per unit."""
        return self.hidden

    @property
    def title(self) -> str:
        """The model in two words, for tables."""
        return f"GRU {self.hidden}"

    @property
    def gate_table(self) -> str:
        """The kind of gate table."""
        return self.gates

    @property
    def packing(self) -> Packing:
        """How the recurrent weights lie in memory."""
        return Packing(self.bits)

    @property
    def weight_bits(self) -> str:
        """Widths of recurrent weights, input kernels and head."""
        widths = sorted({one.bits for one in self.formats.values() if one.kind == "weight"})
        return "-, ".join(map(str, widths))

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

    @property
    def shifts(self) -> dict[str, int]:
        """Right shifts of the step and the head, none negative; see `step_shifts`."""
        lengths = {name: fmt.fractional_length for name, fmt in self.formats.items()}
        return step_shifts(lengths, self.packing, self.state_shift)

    def macs_per_window(self, steps: int) -> int:
        """Return the multiply-accumulates of one window of `steps` samples, gate products not counted."""
        head = sum(self.arrays[layer].size for layer, _, _ in self.head_layers)
        return len(GATES) * self.hidden * (self.channels + self.hidden) * steps + head


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
