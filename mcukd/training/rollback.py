"""Rollback of a diverging fit to earlier weights, at half the learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = list[NDArray[np.float32]]

#: Calls of the training loop between two snapshots.
_SNAPSHOT_EVERY = 4
#: Decay of the exponential moving average of the loss, per call.
_EMA_DECAY = 0.9
#: The loss has diverged where it is twice the lowest average of its phase, and above it by at least this.
_DIVERGENCE = 0.5


@dataclass
class DivergenceRollback:
    """State of the divergence detector in one phase of a fit, and its weight snapshots.

    A recurrent network trained on long windows at a high rate may fall, within a few steps, into a state with
    exploding gradients and a loss above chance level (docs/reference/distillation.md, Rollback). Such a fit
    returns to a snapshot and finishes the phase at half the rate; the lost steps count as done.

    lr_factor: multiplies the phase's learning rates. loss_ema, lowest_ema: moving average of the calls' mean
    losses, and its minimum. calls: made in this phase. snapshots: the last two, the older first, as
    `keras.Model.get_weights` returns them.
    """

    lr_factor: float = 1.0
    loss_ema: float = np.inf
    lowest_ema: float = np.inf
    calls: int = 0
    snapshots: list[Weights] = field(default_factory=list)

    def should_snapshot(self) -> bool:
        """Return whether to take a snapshot before the next call."""
        due = self.calls % _SNAPSHOT_EVERY == 0 and self.loss_ema < 1.2 * self.lowest_ema
        return not self.snapshots or due

    def snapshot(self, weights: Weights) -> None:
        """Store weights, and keep the snapshot before them."""
        self.snapshots = [*self.snapshots[-1:], weights]

    @property
    def weights(self) -> Weights:
        """The weights to return to: the older snapshot, because the newer may already be diverging."""
        return self.snapshots[0]

    def diverged(self, loss: float) -> bool:
        """Record the mean loss of a call and return whether the fit has to be rolled back."""
        self.calls += 1
        if np.isfinite(self.lowest_ema) and not loss <= self.lowest_ema + max(self.lowest_ema, _DIVERGENCE):
            self.lr_factor /= 2
            self.loss_ema = self.lowest_ema
            self.snapshots = self.snapshots[:1]
            return True
        average = _EMA_DECAY * self.loss_ema + (1 - _EMA_DECAY) * loss
        self.loss_ema = loss if np.isinf(self.loss_ema) else average
        self.lowest_ema = min(self.lowest_ema, self.loss_ema)
        return False

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the state as arrays by name, for a checkpoint."""
        # The names are those of checkpoints that older versions wrote.
        arrays = {
            f"kept{n}_{number}": array
            for n, weights in enumerate(self.snapshots)
            for number, array in enumerate(weights)
        }
        return {"footing": np.array([self.lr_factor, self.loss_ema, self.lowest_ema, self.calls]), **arrays}

    @classmethod
    def from_state(cls, stored: Mapping[str, NDArray[Any]]) -> DivergenceRollback:
        """Return the detector whose `state` a checkpoint holds."""
        lr_factor, loss_ema, lowest_ema, calls = stored["footing"].tolist()
        snapshots: list[Weights] = []
        while f"kept{len(snapshots)}_0" in stored:
            prefix = f"kept{len(snapshots)}_"
            count = sum(name.startswith(prefix) for name in stored)
            snapshots.append([stored[f"{prefix}{number}"] for number in range(count)])
        return cls(lr_factor, loss_ema, lowest_ema, int(calls), snapshots)
