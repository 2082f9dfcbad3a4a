"""Architecture: a network that can be trained, and the defaults of its training. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from mcukd.training.context import CarriedState
from mcukd.training.phases import LABELS, Phase, crop_lengths

if TYPE_CHECKING:
    import keras
    from numpy.typing import ArrayLike


#: Options of a training (`mcukd.distillation.config.DistillConfig`), which say how wide a network is.
Options = Any


class TrainingDefaults(NamedTuple):
    """Default hyperparameters of a student: epochs and peak learning rate.

    rollback: whether a diverging fit returns to earlier weights (`mcukd.training.rollback`).
    """

    epochs: int
    learning_rate: float
    rollback: bool = False


#: Defaults of an architecture that names none.
DEFAULTS = TrainingDefaults(40, 1e-2)


class Shape(NamedTuple):
    """T samples, C channels and K classes of a data set's windows; T is 0 for windows of any length."""

    steps: int
    channels: int
    classes: int


@dataclass(frozen=True)
class Architecture:
    """A network that can be trained.

    build: returns a model with fresh weights from counts (N, T, C) to logits (N, K), given mean and variance
    (C,) of the counts. parameters, macs: trained parameters, and multiply-accumulates of one window.
    jit_compile: whether XLA makes its training faster. defaults: as a student. long_defaults: as a student of
    windows long enough for the length curriculum; None for `defaults`. phases: of its training on labels.
    build_with_features: builds the same network with the outputs that distillation methods match, in layers
    of the same names; None where `build` has them. uses_length_curriculum: whether it accepts windows of any
    length, and is trained on crops first (`length_curriculum`). least_steps: the shortest window it can have.
    options: of `mcukd distill`, those that say how wide it is. head_search: whether its head can be searched
    (`mcukd.head_search`). carried: how it is run from a state, where it has one that can be carried on from
    window to window (`mcukd.training.context`).
    """

    name: str
    build: Callable[[Shape, Options, ArrayLike, ArrayLike], keras.Model]
    parameters: Callable[[Shape, Options], int]
    macs: Callable[[Shape, Options], int]
    jit_compile: bool = False
    defaults: TrainingDefaults = DEFAULTS
    long_defaults: TrainingDefaults | None = None
    phases: tuple[Phase, ...] = (LABELS,)
    build_with_features: Callable[[Shape, Options, ArrayLike, ArrayLike], keras.Model] | None = None
    uses_length_curriculum: bool = False
    least_steps: int = 1
    options: tuple[str, ...] = ()
    head_search: bool = False
    carried: CarriedState | None = None

    def defaults_for(self, steps: int) -> TrainingDefaults:
        """Return the defaults for windows of `steps` samples."""
        return self.long_defaults if self.long_defaults and crop_lengths(steps) else self.defaults

    def sizes(self, shape: Shape, config: Options) -> dict[str, int]:
        """Return `parameters` and `macs_per_window`, as `metrics.json` has them."""
        return {"parameters": self.parameters(shape, config), "macs_per_window": self.macs(shape, config)}
