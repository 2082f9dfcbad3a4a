"""Where a fit goes back to when it loses what it knew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = list[NDArray[np.float32]]

#: Calls from one keeping of the weights to the next.
_EVERY = 4
#: Share of the calls before in the running mean of the loss.
_PAST = 0.9
#: A loss leaps where it is twice the lowest mean of its phase, and above it by at least this.
_LEAP = 0.5


@dataclass
class Footing:
    """What one phase of a fit knew, and the share of its learning rates that it still takes.

    A recurrent network that learns fast from long windows may fall, within some steps, into a state in which
    its gradients burst and its loss is above that of a guess (docs/distillation.md, Windows that grow). Such
    a fit goes back and takes the rest of the phase at half the rate; the steps that were lost count.

    usual, lowest: running mean of the calls' losses, and the lowest it came to. calls: made in this phase.
    kept: the weights kept last and those before, older first, as `keras.Model.get_weights` gives them.
    """

    share: float = 1.0
    usual: float = np.inf
    lowest: float = np.inf
    calls: int = 0
    kept: list[Weights] = field(default_factory=list)

    def is_due(self) -> bool:
        """Tell whether the weights should be kept before the next call."""
        return not self.kept or (self.calls % _EVERY == 0 and self.usual < 1.2 * self.lowest)

    def keep(self, weights: Weights) -> None:
        """Keep weights, and those before them."""
        self.kept = [*self.kept[-1:], weights]

    @property
    def weights(self) -> Weights:
        """The weights to go back to: not the last, which may already be on the way down."""
        return self.kept[0]

    def slips(self, loss: float) -> bool:
        """Take note of the mean loss of a call and tell whether the fit has to go back."""
        self.calls += 1
        if np.isfinite(self.lowest) and not loss <= self.lowest + max(self.lowest, _LEAP):
            self.share /= 2
            self.usual = self.lowest
            self.kept = self.kept[:1]
            return True
        self.usual = loss if np.isinf(self.usual) else _PAST * self.usual + (1 - _PAST) * loss
        self.lowest = min(self.lowest, self.usual)
        return False

    def state(self) -> dict[str, NDArray[Any]]:
        """Return it as arrays by name, for a checkpoint."""
        arrays = {
            f"kept{n}_{number}": array
            for n, weights in enumerate(self.kept)
            for number, array in enumerate(weights)
        }
        return {"footing": np.array([self.share, self.usual, self.lowest, self.calls]), **arrays}

    @classmethod
    def of(cls, stored: Mapping[str, NDArray[Any]]) -> Footing:
        """Return the one whose `state` a checkpoint has."""
        share, usual, lowest, calls = stored["footing"].tolist()
        kept: list[Weights] = []
        while f"kept{len(kept)}_0" in stored:
            prefix = f"kept{len(kept)}_"
            count = sum(name.startswith(prefix) for name in stored)
            kept.append([stored[f"{prefix}{number}"] for number in range(count)])
        return cls(share, usual, lowest, int(calls), kept)
