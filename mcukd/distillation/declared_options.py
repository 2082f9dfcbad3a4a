"""Options of `mcukd distill`: name, default, limits and help of each, and their values taken one by one.

What options exclude of each other is in `combinations`. No TensorFlow here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mcukd.distillation.methods import METHODS
from mcukd.distillation.methods.method import Method, MethodSettings
from mcukd.distillation.option_lists import AUGMENTS, augments
from mcukd.distillation.options import (
    DATA,
    MACHINE,
    MODELS,
    SEARCH,
    UNLABELLED,
    Option,
    current_value,
    declared,
    flag,
    option,
)
from mcukd.errors import UserError
from mcukd.models.families import FAMILIES
from mcukd.text import did_you_mean
from mcukd.training.devices import CPU, DEVICES

DEFAULT_SEEDS = 3
MOUNTINGS = ("aligned", "turned", "any")
SENSORS = ("accelerometer", "all")
#: Word of `--unlabelled` for the data set's own animals whose labels are not used.
REST = "rest"
UNLABELLED_CHOICES = ("all", "confident", "balanced")
#: Fewest classifiers a search can try: each family once, half of the trials being of those that deploy.
LEAST_TRIALS = 8


@dataclass(frozen=True)
class DistillOptions:
    """Options of the distill stage; docs/reference/distillation.md has the reasons for their defaults.

    Fields are options of `mcukd distill`, and are described by their help. split: as `make_folds` takes
    it. seeds: of the evaluation; teacher and students of every fold are trained once with each. seed: of
    the final models, trained on all animals, and of simulated data. neck_axis: index of the axis along
    the neck, which the card states where `augment` has "rotation". jobs does not change the results. None
    stands for the default of the card (mounting), the method (teacher, teacher_sensors, temperature),
    the architecture (epochs, learning_rate) or the number of windows (teacher_epochs).

    method_options: values of options that methods declare (`Method.options`), where they are not the
    defaults, sorted by name. Raises UserError for a value that cannot work with any others.
    """

    split: str = option(
        "loao",
        '"loao", "k-fold-by-animal", "animals=K", "holdout", "holdout=ID,ID" or "official".',
        DATA,
        "loao; holdout without --data",
    )
    seeds: tuple[int, ...] = option(
        tuple(range(DEFAULT_SEEDS)),
        "Seeds of the evaluation: how many, or a list such as 3,5.",
        DATA,
        str(DEFAULT_SEEDS),
    )
    seed: int = option(0, "Seed of the final models.", DATA)
    epochs: int | None = option(
        None, "Epochs of each student.", MODELS, "depends on architecture and window", 1, 100_000
    )
    epoch_factor: float = option(
        1.0, "Epochs of the distilled student, as a multiple of the plain one's.", MODELS, low=0.1, high=100
    )
    teacher_epochs: int | None = option(
        None, "Epochs of the teacher.", MODELS, "10, or more where they make fewer than 600 steps", 1, 100_000
    )
    teacher_width: int = option(
        16, "Filters of the ResNet's first block; 64 is full size.", MODELS, low=1, high=256
    )
    gru_units: int = option(16, "GRU units of the student.", MODELS, low=1, high=256)
    cnn_filters: int = option(
        16, "Filters of the first convolution of a cnn student.", MODELS, low=2, high=256
    )
    dense_units: int = option(16, "Units of the student's dense layer.", MODELS, low=1, high=256)
    mounting: str | None = option(
        None, 'How the sensor sits on the animals: "aligned", "turned" or "any".', DATA, "what the card says"
    )
    temperature: float | None = option(
        None, "Temperature of the soft labels.", default_text="the method's", low=0.1, high=100
    )
    alpha: float = option(0.5, "Weight of the soft labels in the loss, 0 to 1.", low=0, high=1)
    student: str = option(
        "gru-mlp", f"Architecture of the student: {', '.join(FAMILIES.registered)}.", MODELS
    )
    outliers: float = option(
        0.0,
        "Synthetic windows unlike any behaviour, for each training window, that the student learns to tell "
        "from them, so that its state shows what it was never taught; for --method none.",
        MODELS,
        "none",
        low=0,
        high=4,
    )
    choose_epochs: bool = option(
        False,
        "Choose the students' epochs in each fold on inner animals: half, once or twice --epochs.",
        MODELS,
    )
    choose_teacher_epochs: bool = option(
        False, "Choose the teacher's epochs likewise: half, once or twice --teacher-epochs.", MODELS
    )
    augment: str = option(
        "", f"Perturbations to train against: {', '.join(AUGMENTS)}; with commas, or all.", MODELS, "none"
    )
    neck_axis: int | None = None
    method: str = option("soft-labels", f"How the student is trained: {', '.join(METHODS.registered)}.")
    teacher: str | None = option(
        None,
        "resnet, mobilenet, tsak, ensemble, mixed-ensemble or forest-ensemble.",
        MODELS,
        "the method's first",
    )
    teacher_sensors: str | None = option(
        None, "Input of the teacher: accelerometer, or all channels the card has.", MODELS, "the method's"
    )
    ablate: str = option("", "Parts of the method to leave out: stage,frequency,…", default_text="none")
    smoothing: float = option(0.0, "Share of a hard label that is spread over all classes.", low=0, high=0.9)
    correct_teacher: bool = option(
        False, "Replace the teacher's output by the label where the teacher is wrong."
    )
    method_options: tuple[tuple[str, Any], ...] = ()
    labelled: str = option(
        "",
        "Animals whose labels are used: animals=K draws K of each fold's training animals, and 'animals=K "
        "draw=2' others; ID,ID names them.",
        UNLABELLED,
        "all",
    )
    unlabelled: str = option(
        "",
        "Recordings that the student learns from without labels, with commas: rest (the training animals "
        "whose labels are not used), or cards that 'mcukd data import --unlabelled' made.",
        UNLABELLED,
        "none",
    )
    transductive: bool = option(
        False,
        "Learn from unlabelled recordings of a fold's held-out animals as well, as after the tags came back; "
        "rest then includes them.",
        UNLABELLED,
    )
    unlabelled_ratio: float = option(
        4.0, "Most unlabelled windows, as a multiple of the labelled ones.", UNLABELLED, low=0.1, high=100
    )
    unlabelled_choice: str = option(
        "all",
        "Unlabelled windows to train on: all, confident (drawn by the teacher's probability) or balanced "
        "(each class of its answers equally often).",
        UNLABELLED,
    )
    rounds: int = option(
        1,
        "Rounds of training on unlabelled windows; the student of a round joins the teachers of the next.",
        UNLABELLED,
        low=1,
        high=5,
    )
    stream: bool = option(
        False,
        "Train students to answer at any moment from a state that is carried on and never starts again, "
        "rather than from one that starts with each window.",
        MODELS,
    )
    search: bool = option(
        False,
        "Search the classifier head of the student on inner animals; the final student gets the best that "
        "deploys.",
        SEARCH,
    )
    search_trials: int = option(
        40, "Classifiers that --search tries in each fold.", SEARCH, low=LEAST_TRIALS, high=10_000
    )
    device: str = option(CPU, "What to train on: cpu, or a gpu that TensorFlow sees (untried).", MACHINE)
    learning_rate: float | None = option(
        None,
        "Peak learning rate of the students.",
        MODELS,
        "depends on architecture and window",
        1e-6,
        1,
    )
    jobs: int | None = option(None, "Worker processes.", MACHINE, "one per core, one with a graphics card")

    def __post_init__(self) -> None:
        for name in ("method", "teacher"):
            object.__setattr__(self, name, current_value(name, getattr(self, name)))
        object.__setattr__(self, "method_options", _not_default(self.method_options))
        for name, known in distill_options().items():
            known.check(self.option(name))
        self._check_names()
        object.__setattr__(self, "augment", augments(self.augment))
        if self.jobs is not None and not 1 <= self.jobs <= 1024:
            raise UserError(f"--jobs is {self.jobs}, expected 1 to 1024 worker processes.")
        self._check_seeds()

    def _check_names(self) -> None:
        for name, choices in (
            ("mounting", MOUNTINGS),
            ("student", tuple(FAMILIES)),
            ("method", tuple(METHODS)),
            ("teacher_sensors", SENSORS),
            ("device", DEVICES),
            ("unlabelled_choice", UNLABELLED_CHOICES),
        ):
            value = getattr(self, name)
            if value is not None and value not in choices:
                raise UserError(
                    f"{flag(name)} is '{value}'{did_you_mean(value, choices)}, expected one of "
                    f"{', '.join(choices)}."
                )

    def _check_seeds(self) -> None:
        if not self.seeds:
            raise UserError("--seeds names no seed, expected a number of seeds or a list such as 0,1,2.")
        for seed in (*self.seeds, self.seed):
            if not 0 <= seed < 2**31:
                raise UserError(f"the seed {seed} is out of range, expected 0 to {2**31 - 1}.")
        if len(set(self.seeds)) != len(self.seeds):
            raise UserError(f"--seeds {','.join(map(str, self.seeds))} names a seed twice; name each once.")

    def option(self, name: str) -> Any:
        """Return the value of an option by its name, one of `distill_options`."""
        if name in self.__dataclass_fields__:
            return getattr(self, name)
        return dict(self.method_options).get(name, distill_options()[name].default)

    def settings_of(self, method: Method) -> MethodSettings:
        """Return the settings of a method, configured or not."""
        options = {own.name: self.option(own.name) for own in method.options}
        return MethodSettings(self.method, self.student, self.ablated, options)

    @property
    def method_settings(self) -> MethodSettings:
        """The settings of the configured method."""
        return self.settings_of(METHODS[self.method])

    @property
    def teacher_name(self) -> str | None:
        """The teacher's name; None where the method has no teacher."""
        return self.teacher or next(iter(METHODS[self.method].teachers), None)

    @property
    def ablated(self) -> tuple[str, ...]:
        """The parts of the method that are left out."""
        return tuple(self.ablate.split(",")) if self.ablate else ()

    @property
    def augments(self) -> tuple[str, ...]:
        """The perturbations to train against."""
        return tuple(self.augment.split(",")) if self.augment else ()

    @property
    def unlabelled_sources(self) -> tuple[str, ...]:
        """The recordings without labels that a student learns from: `REST`, and cards as they were named."""
        return tuple(name.strip() for name in self.unlabelled.split(",") if name.strip())


def distill_options() -> dict[str, Option]:
    """Return all options by name: those of `DistillOptions`, then those of each method."""
    of_methods = (own for method in METHODS.values() for own in method.options)
    return {**declared(DistillOptions), **{own.name: own for own in of_methods}}


def _not_default(options: Iterable[tuple[str, Any]]) -> tuple[tuple[str, Any], ...]:
    known = distill_options()
    return tuple(sorted((name, value) for name, value in options if value != known[name].default))
