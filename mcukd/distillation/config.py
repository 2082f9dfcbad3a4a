"""Configuration of the distill stage: options, defaults and what they exclude. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from mcukd.data.labelled import described
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
    current,
    current_name,
    current_value,
    declared,
    flag,
    option,
    stored,
)
from mcukd.errors import UserError
from mcukd.models.families import FAMILIES
from mcukd.text import did_you_mean, listed
from mcukd.training.devices import CPU, DEVICES

if TYPE_CHECKING:
    from mcukd.data.windows import Windows

DEFAULT_SEEDS = 3
MOUNTINGS = ("aligned", "turned", "any")
SENSORS = ("accelerometer", "all")
#: Word of `--unlabelled` for the data set's own animals whose labels are not used.
REST = "rest"
UNLABELLED_CHOICES = ("all", "confident", "balanced")
#: Left out of the recorded options at these values, so that studies made before they existed stay current.
_SINCE = {
    "epochs": None,
    "epoch_factor": 1.0,
    "teacher_epochs": None,
    "student": "gru-mlp",
    "choose_epochs": False,
    "choose_teacher_epochs": False,
    "augment": "",
    "outliers": 0.0,
    "neck_axis": None,
    "method": "soft-labels",
    "teacher": None,
    "teacher_sensors": None,
    "ablate": "",
    "smoothing": 0.0,
    "correct_teacher": False,
    "search": False,
    "device": CPU,
    "learning_rate": None,
    "temperature": None,
    "labelled": "",
    "unlabelled": "",
    "transductive": False,
    "unlabelled_ratio": 4.0,
    "unlabelled_choice": "all",
    "rounds": 1,
    "cnn_filters": 16,
    "stream": False,
}
#: Fewest classifiers a search can try: each family once, half of the trials being of those that deploy.
LEAST_TRIALS = 8


@dataclass(frozen=True)
class DistillConfig:
    """Configuration of the distill stage; docs/reference/distillation.md has the reasons for its defaults.

    Fields are options of `mcukd distill`, and are described by their help. split: as `make_folds` takes
    it. seeds: of the evaluation; teacher and students of every fold are trained once with each. seed: of
    the final models, trained on all animals, and of simulated data. neck_axis: index of the axis along
    the neck, which the card states where `augment` has "rotation". jobs does not change the results. None
    stands for the default of the card (mounting), the method (teacher, teacher_sensors, temperature),
    the architecture (epochs, learning_rate) or the number of windows (teacher_epochs).

    method_options: values of options that methods declare (`Method.options`), where they are not the
    defaults, sorted by name; `of` and `with_options` take them as any other option.
    Raises UserError for values that cannot work.
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
        if self.mounting not in (None, *MOUNTINGS):
            raise UserError(f"--mounting is '{self.mounting}', expected one of {', '.join(MOUNTINGS)}.")
        self._check_names()
        self._check_combinations()
        object.__setattr__(self, "augment", augments(self.augment))
        if self.jobs is not None and not 1 <= self.jobs <= 1024:
            raise UserError(f"--jobs is {self.jobs}, expected 1 to 1024 worker processes.")
        if not self.seeds:
            raise UserError("--seeds names no seed, expected a number of seeds or a list such as 0,1,2.")
        for seed in (*self.seeds, self.seed):
            if not 0 <= seed < 2**31:
                raise UserError(f"the seed {seed} is out of range, expected 0 to {2**31 - 1}.")
        if len(set(self.seeds)) != len(self.seeds):
            raise UserError(f"--seeds {','.join(map(str, self.seeds))} names a seed twice; name each once.")

    def _check_names(self) -> None:
        for name, value, known in (
            ("student", self.student, tuple(FAMILIES)),
            ("method", self.method, tuple(METHODS)),
            ("teacher_sensors", self.teacher_sensors or SENSORS[0], SENSORS),
            ("device", self.device, DEVICES),
            ("unlabelled_choice", self.unlabelled_choice, UNLABELLED_CHOICES),
        ):
            if value not in known:
                raise UserError(
                    f"{flag(name)} is '{value}'{did_you_mean(value, known)}, expected one of "
                    f"{', '.join(known)}."
                )
        method = METHODS[self.method]
        students = tuple(FAMILIES) if method.students is None else method.students
        asked = {"student": (self.student, students), "teacher": (self.teacher, method.teachers)}
        for name, (choice, known) in asked.items():
            if choice is not None and choice not in known:
                raise UserError(
                    f"{flag(name)} is '{choice}'{did_you_mean(choice, known)}, and --method {self.method} "
                    f"works with {listed(known) if known else f'no {name}'}."
                )
        for part in self.ablated:
            if part not in method.parts:
                expected = f"expected some of {listed(method.parts)}" if method.parts else "it has no parts"
                raise UserError(
                    f"--ablate names '{part}'{did_you_mean(part, method.parts)}, but of --method "
                    f"{self.method} {expected}."
                )

    def _check_combinations(self) -> None:
        if self.correct_teacher and not METHODS[self.method].reads_labels:
            raise UserError(
                "--correct-teacher compares the teacher with the labels, and "
                f"--method {self.method} trains on windows without a label; leave one out."
            )
        if self.outliers and self.teacher_name is not None:
            raise UserError(
                f"--outliers {self.outliers:g} adds a class that no teacher answers for, and --method "
                f"{self.method} has one; give --method none, or leave --outliers out."
            )
        for method in METHODS.values():
            method.check(self.settings_of(method))
        self._check_unlabelled()
        if self.stream:
            self._check_stream()
        if self.search:
            self._check_search()
        if self.search and self.split == "random":
            raise UserError(
                "--search chooses on animals that are new to the students, and --split random has every "
                "animal on both sides; give a split by animal."
            )

    def _check_unlabelled(self) -> None:
        if self.labelled and self.split == "random":
            raise UserError(
                "--labelled keeps the labels of some animals, and --split random has every animal on both "
                "sides; give a split by animal."
            )
        if not self.unlabelled:
            for name in ("transductive", "unlabelled_ratio", "unlabelled_choice", "rounds"):
                if getattr(self, name) != _SINCE[name]:
                    raise UserError(
                        f"{flag(name)} says how recordings without labels are used, and --unlabelled names "
                        "none; give --unlabelled, or leave it out."
                    )
            return
        if not self._unlabelled_sources:
            raise UserError(
                f"--unlabelled is '{self.unlabelled}', which names nothing; give {REST}, or cards."
            )
        method = METHODS[self.method]
        if self.teacher_name is None:
            raise UserError(
                f"--unlabelled needs a teacher that answers for missing labels, and --method {self.method} "
                "has none; leave one out."
            )
        if self.split == "random":
            raise UserError(
                "--unlabelled learns from other animals than those held out, and --split random has every "
                "animal on both sides; give a split by animal."
            )
        if self.uses_rest and not self.labelled and not self.transductive:
            raise UserError(
                f"--unlabelled {REST} are the training animals whose labels are not used, and the labels of "
                "all are used; say with --labelled whose are, or name cards of recordings."
            )
        features = {name for phase in method.phases(self.method_settings) for name in phase.teacher_outputs}
        if self.rounds > 1 and features - {"logits"}:
            raise UserError(
                f"--rounds {self.rounds} makes the student one of the teachers, and --method {self.method} "
                "reads layers that only its own teacher has; give --rounds 1 or another method."
            )

    def _check_stream(self) -> None:
        from mcukd.distillation.architectures import STUDENTS

        able = [name for name, architecture in STUDENTS.items() if architecture.carried]
        if self.student not in able:
            raise UserError(
                f"--stream carries a student's state from window to window, which {listed(able)} students "
                f"have, and --student is {self.student}; leave one out."
            )
        method = METHODS[self.method]
        features = {name for phase in method.phases(self.method_settings) for name in phase.teacher_outputs}
        if method.needs_features or features - {"logits"}:
            raise UserError(
                f"--stream compares answers of teacher and student, and --method {self.method} compares "
                "layers within a window, before which the student's state has a past; leave one out."
            )
        refused = {
            "search": "a search tries classifiers on states of windows that start from zero",
            "choose_epochs": "inner students are scored on windows that start from zero",
            "unlabelled": "recordings without labels are drawn as windows, without what came before",
            "outliers": "synthetic windows have nothing before them",
        }
        for name, reason in refused.items():
            if getattr(self, name):
                raise UserError(f"--stream goes without {flag(name)}: {reason}; leave one out.")
        if self.split == "random":
            raise UserError(
                "--stream runs through whole recordings, and --split random has windows of each on both "
                "sides; give a split by animal."
            )
        if "rate" in augments(self.augment).split(","):
            raise UserError(
                "--augment rate stretches a window about its middle, and with --stream what came before it "
                "would no longer end where it begins; leave rate out."
            )

    def _check_search(self) -> None:
        from mcukd.distillation.architectures import STUDENTS

        able = [name for name, architecture in STUDENTS.items() if architecture.head_search]
        if self.student not in able:
            raise UserError(
                f"--search works with {listed(able)} students, and --student is {self.student}; leave one "
                "out."
            )

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
    def ablated(self) -> tuple[str, ...]:
        """The parts of the method that are left out."""
        return tuple(self.ablate.split(",")) if self.ablate else ()

    @property
    def teacher_name(self) -> str | None:
        """The teacher's name; None where the method has no teacher."""
        return self.teacher or next(iter(METHODS[self.method].teachers), None)

    @property
    def softness(self) -> float:
        """The temperature of the distillation loss: configured, or the method's default."""
        return METHODS[self.method].default_temperature if self.temperature is None else self.temperature

    @property
    def uses_rest(self) -> bool:
        """Whether the student learns from animals of the data set whose labels are not used."""
        return REST in self._unlabelled_sources

    @property
    def unlabelled_cards(self) -> tuple[str, ...]:
        """The cards of recordings without labels that the student learns from, as they were named."""
        return tuple(name for name in self._unlabelled_sources if name != REST)

    @property
    def _unlabelled_sources(self) -> tuple[str, ...]:
        return tuple(name.strip() for name in self.unlabelled.split(",") if name.strip())

    def learned_from(self, *, distilled: bool) -> str:
        """Return whose labels, and which recordings without any, a fold's model learns from, as a clause.

        distilled: whether the model is a distilled student; others learn from labels alone.
        """
        said = f"labels of {described(self.labelled)}"
        if not distilled or not self.unlabelled:
            return said
        held_out = "included (transductive)" if self.transductive else "left out"
        return f"{said}; recordings without labels: {self.unlabelled} (held-out animals' {held_out})"

    @property
    def uses_extra_channels(self) -> bool:
        """Whether the teacher's input includes the card's extra channels."""
        return self.teacher_sensors == "all"

    def teacher_channels(self, windows: Windows) -> int:
        """Return the number of channels of the teacher's input."""
        return int(windows.counts.shape[2]) + len(windows.extra_names) * self.uses_extra_channels

    @property
    def augments(self) -> tuple[str, ...]:
        """The perturbations to train against."""
        return tuple(self.augment.split(",")) if self.augment else ()

    @classmethod
    def demo(cls, seed: int = 0) -> DistillConfig:
        """Return the configuration of the demo: a narrow teacher, one fold and one seed, to take minutes."""
        return cls(
            split="holdout",
            seeds=(seed,),
            seed=seed,
            epochs=24,
            # So few epochs need a larger rate.
            learning_rate=0.02,
            teacher_epochs=10,
            teacher_width=8,
        )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> DistillConfig:
        """Make a config from options by name, such as those a study's manifest keeps; others are ignored."""
        known = {*cls.__dataclass_fields__, *distill_options()}
        return cls().with_options(**{name: values[name] for name in values if current_name(name) in known})

    def with_options(self, **values: Any) -> DistillConfig:
        """Return the config with other values of some options, named in either spelling."""
        chosen: dict[str, Any] = {}
        of_methods = dict(self.method_options)
        for name, value in current(values).items():
            if name in self.__dataclass_fields__:
                chosen[name] = tuple(value) if name == "seeds" else value
            else:
                of_methods[name] = value
        return replace(self, **{"method_options": tuple(of_methods.items()), **chosen})

    def options(self) -> dict[str, Any]:
        """Return everything that decides the results, as JSON and with the names that manifests keep."""
        left_out = {"jobs", "method_options", *(() if self.search else ("search_trials",))}
        options = {field.name: getattr(self, field.name) for field in fields(self)}
        options.update(self.method_options)
        return stored(
            {
                name: list(value) if name == "seeds" else value
                for name, value in options.items()
                if name not in left_out and (name not in _SINCE or value != _SINCE[name])
            }
        )

    def training(self) -> dict[str, Any]:
        """Return the options that decide a training, apart from its fold and seed."""
        options = self.options()
        for key in ("split", "seeds", "seed"):
            del options[key]
        return options


def distill_options() -> dict[str, Option]:
    """Return all options by name: those of the configuration, then those of each method."""
    of_methods = (own for method in METHODS.values() for own in method.options)
    return {**declared(DistillConfig), **{own.name: own for own in of_methods}}


def _not_default(options: Iterable[tuple[str, Any]]) -> tuple[tuple[str, Any], ...]:
    known = distill_options()
    return tuple(sorted((name, value) for name, value in options if value != known[name].default))
