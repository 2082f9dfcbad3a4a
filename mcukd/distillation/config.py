"""Configuration of the distill stage: options, defaults and what they exclude. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Optional

from mcukd.distillation.methods import METHODS
from mcukd.errors import UserError
from mcukd.text import did_you_mean, listed
from mcukd.training.devices import CPU, DEVICES

if TYPE_CHECKING:
    from mcukd.data.windows import Windows

DEFAULT_SEEDS = 3
MOUNTINGS = ("aligned", "turned", "any")
STUDENTS = ("gru-mlp", "mobilenet", "filter-mlp")
SENSORS = ("accelerometer", "all")
#: What `--augment` can train against, in the order in which it is recorded.
AUGMENTS = ("rotation", "flip", "scale", "rate", "noise", "drop", "clip")
#: Left out of the recorded options at these values, so that studies made before they existed stay current.
_SINCE = {
    "epochs": None,
    "student": "gru-mlp",
    "choose_epochs": False,
    "choose_teacher_epochs": False,
    "augment": "",
    "neck_axis": None,
    "method": "soft-labels",
    "teacher": None,
    "teacher_sensors": None,
    "without": "",
    "smoothing": 0.0,
    "gate": False,
    "frequency": 0.3,
    "choose_frequency": False,
    "search": False,
    "device": CPU,
    "learning_rate": None,
    "temperature": None,
}
#: Fewest classifiers a search can try: each family once, half of the trials being of those that deploy.
LEAST_TRIALS = 8


@dataclass(frozen=True)
class DistillConfig:
    """Configuration of the distill stage; docs/reference/distillation.md has the reasons for its defaults.

    split: as `make_folds` takes it. seeds: of the evaluation; teacher and students of every fold are trained
    once with each. seed: of the final models, trained on all animals, and of simulated data.

    Networks and training:
    student: "gru-mlp", "mobilenet", or "filter-mlp" (`mcukd.models.filter_mlp`). gru_units, dense_units: H
    and M of the GRU-MLP. epochs, learning_rate: of the students, the rate being the peak of the schedule;
    None for the defaults of the architecture (`mcukd.distillation.architectures`). teacher: what the student
    learns from; None for the method's first. teacher_epochs: its epochs. teacher_width: filters of the
    ResNet's first block. teacher_sensors: "all" gives the teacher the card's extra channels as well; None for
    the method's default. choose_epochs, choose_teacher_epochs: select the epochs of each fold on inner
    animals, among half, once and twice those given.

    Augmentation:
    mounting: how training windows are turned, see `Signal.mounting`; None for what the card says. augment:
    disturbances to train against, names of `AUGMENTS` with commas, "all" or "none". neck_axis: index of the
    axis along the neck, which the card states where "rotation" is among them.

    Distillation:
    method: a name of `mcukd.distillation.methods`. without: parts of the method to leave out, with commas.
    temperature: T of the distillation loss; None for the method's default. mixing: weight of its soft term.
    smoothing: label smoothing of the hard labels. gate: replace the teacher's output by the label where the
    teacher is wrong. frequency: weight of SMLDist's spectral term; choose_frequency: select it for each fold
    on inner animals, among 0, a third, once and three times `frequency`. search: search for a better head of
    the student on inner animals (gru-mlp only); search_trials: classifiers it tries in each fold.

    device: "cpu" or "gpu", whose results differ in the last bits. jobs: worker processes, None for one per
    core; it does not change the results. Raises UserError for values that cannot work.
    """

    split: str = "loao"
    seeds: tuple[int, ...] = tuple(range(DEFAULT_SEEDS))
    seed: int = 0
    epochs: Optional[int] = None
    teacher_epochs: int = 10
    teacher_width: int = 16
    gru_units: int = 16
    dense_units: int = 16
    mounting: Optional[str] = None
    temperature: Optional[float] = None
    mixing: float = 0.5
    student: str = "gru-mlp"
    choose_epochs: bool = False
    choose_teacher_epochs: bool = False
    augment: str = ""
    neck_axis: Optional[int] = None
    method: str = "soft-labels"
    teacher: Optional[str] = None
    teacher_sensors: Optional[str] = None
    without: str = ""
    smoothing: float = 0.0
    gate: bool = False
    frequency: float = 0.3
    choose_frequency: bool = False
    search: bool = False
    search_trials: int = 40
    device: str = CPU
    learning_rate: Optional[float] = None
    jobs: Optional[int] = None

    def __post_init__(self) -> None:
        for name, low, high in (
            ("epochs", 1, 100_000),
            ("teacher_epochs", 1, 100_000),
            ("teacher_width", 1, 256),
            ("gru_units", 1, 256),
            ("dense_units", 1, 256),
            ("temperature", 0.1, 100),
            ("mixing", 0, 1),
            ("smoothing", 0, 0.9),
            ("frequency", 0, 100),
            ("search_trials", LEAST_TRIALS, 10_000),
            ("learning_rate", 1e-6, 1),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UserError(f"{_option(name)} is {value}, expected {low} to {high}.")
        if self.mounting not in (None, *MOUNTINGS):
            raise UserError(f"--mounting is '{self.mounting}', expected one of {', '.join(MOUNTINGS)}.")
        self._check_names()
        object.__setattr__(self, "augment", _augments(self.augment))
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
            ("student", self.student, STUDENTS),
            ("method", self.method, tuple(METHODS)),
            ("teacher_sensors", self.teacher_sensors or SENSORS[0], SENSORS),
            ("device", self.device, DEVICES),
        ):
            if value not in known:
                raise UserError(
                    f"{_option(name)} is '{value}'{did_you_mean(value, known)}, expected one of "
                    f"{', '.join(known)}."
                )
        method = METHODS[self.method]
        asked = {"student": (self.student, method.students), "teacher": (self.teacher, method.teachers)}
        for name, (choice, known) in asked.items():
            if choice is not None and choice not in known:
                raise UserError(
                    f"{_option(name)} is '{choice}'{did_you_mean(choice, known)}, and --method {self.method} "
                    f"works with {listed(known) if known else f'no {name}'}."
                )
        for part in self.without.split(",") if self.without else ():
            if part not in method.parts:
                expected = f"expected some of {listed(method.parts)}" if method.parts else "it has no parts"
                raise UserError(
                    f"--without names '{part}'{did_you_mean(part, method.parts)}, but of --method "
                    f"{self.method} {expected}."
                )
        if self.gate and not method.reads_labels:
            raise UserError(
                f"--gate asks where the teacher is right, and --method {self.method} shows it windows "
                "without a label; leave one out."
            )
        if self.choose_frequency and not self._has_spectral_term():
            raise UserError(
                "--choose-frequency asks for the spectral term of smldist's stages, and there is none with "
                f"--method {self.method} --student {self.student}"
                f"{f' --without {self.without}' if self.without else ''} --frequency {self.frequency:g}; "
                "leave it out."
            )
        if self.search and self.student != "gru-mlp":
            raise UserError(
                f"--search works with gru-mlp students, and --student is {self.student}; leave one out."
            )
        if self.search and self.split == "random":
            raise UserError(
                "--search chooses on animals that are new to the students, and --split random has every "
                "animal on both sides; give a split by animal."
            )

    def _has_spectral_term(self) -> bool:
        # The filter-MLP has no sequence, so no stages.
        staged = "frequency" in METHODS[self.method].parts and self.student != "filter-mlp"
        return staged and self.uses("stage") and self.uses("frequency") and self.frequency > 0

    @property
    def teacher_name(self) -> Optional[str]:
        """The teacher's name; None where the method has no teacher."""
        return self.teacher or next(iter(METHODS[self.method].teachers), None)

    @property
    def softness(self) -> float:
        """The temperature of the distillation loss: configured, or the method's default."""
        return METHODS[self.method].default_temperature if self.temperature is None else self.temperature

    @property
    def uses_extra_channels(self) -> bool:
        """Whether the teacher's input includes the card's extra channels."""
        return self.teacher_sensors == "all"

    def teacher_channels(self, windows: Windows) -> int:
        """Return the number of channels of the teacher's input."""
        return int(windows.counts.shape[2]) + len(windows.extra_names) * self.uses_extra_channels

    def uses(self, part: str) -> bool:
        """Return whether a part of the method is not left out."""
        return part not in self.without.split(",")

    @property
    def augments(self) -> tuple[str, ...]:
        """The disturbances to train against."""
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
        known = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
        if "seeds" in known:
            known["seeds"] = tuple(known["seeds"])
        return cls(**known)

    def options(self) -> dict[str, Any]:
        """Return everything that decides the results, as JSON knows it."""
        options = asdict(self)
        del options["jobs"]
        for name, value in _SINCE.items():
            if options[name] == value:
                del options[name]
        if not self.search:
            del options["search_trials"]
        return {**options, "seeds": list(self.seeds)}

    def training(self) -> dict[str, Any]:
        """Return what decides one training, whichever fold and seed it is of."""
        options = self.options()
        for key in ("split", "seeds", "seed"):
            del options[key]
        return options


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read `--seeds`: one number N means the seeds 0 … N−1, a list with commas means exactly those.

    "3" → (0, 1, 2); "7," → (7,); "3,5" → (3, 5). Raises UserError for anything else.
    """
    try:
        if "," in text:
            return tuple(int(part) for part in text.split(",") if part.strip())
        count = int(text)
    except ValueError:
        raise UserError(f"--seeds is '{text}', expected a number of seeds or a list such as 0,1,2.") from None
    if not 1 <= count <= 1000:
        raise UserError(f"--seeds is {count}, expected 1 to 1000 seeds, or a list such as 5,6.")
    return tuple(range(count))


def _augments(text: str) -> str:
    """Return the names in `--augment` once each, in the order of `AUGMENTS`, so that equal sets are equal."""
    names = {name.strip() for name in text.split(",") if name.strip()}
    if names == {"all"}:
        return ",".join(AUGMENTS)
    for name in sorted(names - {*AUGMENTS} - ({"none"} if len(names) == 1 else set())):
        raise UserError(
            f"--augment names '{name}'{did_you_mean(name, AUGMENTS)}, expected one or more of "
            f'{",".join(AUGMENTS)}, or alone "all" or "none".'
        )
    return ",".join(name for name in AUGMENTS if name in names)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
