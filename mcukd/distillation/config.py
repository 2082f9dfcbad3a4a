"""Configuration of the distill stage: options that go together, what follows from them, their record.

No TensorFlow here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from mcukd.data.labelled import described
from mcukd.distillation.combinations import check_combinations
from mcukd.distillation.declared_options import REST, DistillOptions, distill_options
from mcukd.distillation.methods import METHODS
from mcukd.distillation.options import current, current_name, stored
from mcukd.training.devices import CPU

if TYPE_CHECKING:
    from mcukd.data.windows import Windows

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


@dataclass(frozen=True)
class DistillConfig(DistillOptions):
    """Configuration of the distill stage, checked: UserError for values that cannot work, alone or not."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_combinations(self)

    @property
    def softness(self) -> float:
        """The temperature of the distillation loss: configured, or the method's default."""
        return METHODS[self.method].default_temperature if self.temperature is None else self.temperature

    @property
    def uses_rest(self) -> bool:
        """Whether the student learns from animals of the data set whose labels are not used."""
        return REST in self.unlabelled_sources

    @property
    def unlabelled_cards(self) -> tuple[str, ...]:
        """The cards of recordings without labels that the student learns from, as they were named."""
        return tuple(name for name in self.unlabelled_sources if name != REST)

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
