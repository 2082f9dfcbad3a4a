"""Stream of the weights of a step, in the order in which kernels read them: a row of words per unit pair.

A row holds, one after the other: the biases that sums start with, the recurrent words (`packing.py`), the
input kernels of z and r, and those of h after its input bias. Biases carry the addend of the rounding that
follows their sum. Samples are taken two channels to a word; with an odd number of channels the last one's
weights of both units share a word.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcukd.codegen.context import with_addend
from mcukd.fixedpoint.gru.model import GruMlpModel
from mcukd.fixedpoint.gru.packing import pack, pairs

#: Words of samples that kernels keep in registers at a time.
SAMPLE_GROUP = 2


@dataclass(frozen=True)
class Stream:
    """words: (unit pairs, length) uint32. The offsets are those of a row.

    early: whether the z and r sums start with their biases, because their state part needs no shift.
    bias: offset of the two units' biases by `z`, `r`, `h` and `h_rec`. recurrent: offset of the packed words.
    kernel: offset by (gate, word of samples); an odd last channel has one word, others one per unit.
    """

    words: NDArray[np.uint32]
    early: bool
    bias: dict[str, int]
    recurrent: int
    kernel: dict[tuple[str, int], int]


def sample_words(channels: int) -> int:
    """Return how many words the samples of one moment take."""
    return (channels + 1) // 2


def build_stream(model: GruMlpModel) -> Stream:
    """Lay out a model's step."""
    shifts, count = model.shifts, pairs(model.hidden)
    early = shifts["state_z"] == 0 and shifts["state_r"] == 0
    biases = {
        **{gate: _paired(with_addend(model, f"bias_{gate}", f"{gate}_pre")) for gate in ("z", "r", "h")},
        "h_rec": _paired(with_addend(model, "bias_h_rec", "h_rec")),
    }
    parts: list[NDArray[np.int64]] = []
    bias: dict[str, int] = {}
    kernel: dict[tuple[str, int], int] = {}

    def put(words: NDArray[np.int64]) -> int:
        offset = sum(part.shape[1] for part in parts)
        parts.append(words)
        return offset

    for name in ("z", "r", "h_rec") if early else ("h_rec",):
        bias[name] = put(biases[name])
    packed = pack({gate: model.arrays[f"recurrent_{gate}"] for gate in ("z", "r", "h")}, model.packing)
    recurrent = put(packed.astype(np.int64))
    total = sample_words(model.channels)
    for first in range(0, total, SAMPLE_GROUP):
        for gate in ("z", "r"):
            if gate not in bias:
                bias[gate] = put(biases[gate])
            for word in range(first, min(first + SAMPLE_GROUP, total)):
                kernel[gate, word] = put(_kernel_words(model, gate, word))
    bias["h"] = put(biases["h"])
    for word in range(total):
        kernel["h", word] = put(_kernel_words(model, "h", word))
    words = np.concatenate(parts, axis=1) & 0xFFFFFFFF
    assert words.shape[0] == count
    return Stream(words.astype(np.uint32), early, bias, recurrent, kernel)


def _paired(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (unit pairs, 2) of values (H,); the partner of an odd unit is 0."""
    return np.pad(values, (0, len(values) % 2)).reshape(-1, 2)


def _kernel_words(model: GruMlpModel, gate: str, word: int) -> NDArray[np.int64]:
    weights = model.arrays[f"kernel_{gate}"].astype(np.int64) & 0xFFFF
    weights = np.pad(weights, ((0, model.hidden % 2), (0, 0)))
    if 2 * word + 1 < model.channels:
        return (weights[:, 2 * word] | weights[:, 2 * word + 1] << 16).reshape(-1, 2)
    units = weights[:, 2 * word].reshape(-1, 2)
    return (units[:, :1] | units[:, 1:] << 16).reshape(-1, 1)
