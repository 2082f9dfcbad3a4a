"""Grid of a sweep: a TOML file with the options to combine (`docs/reference/sweep.md`).

Any option of `mcukd distill` may be an axis or be shared by all runs. They are read from `DistillConfig`;
only those that a grid states in another way are named here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    create_model,
    field_validator,
    model_validator,
)

from mcukd.boards.cores import cores_with
from mcukd.config_files import ConfigFileType
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.declared_options import distill_options
from mcukd.distillation.options import STORED_NAMES, current_value, stored_name
from mcukd.errors import UserError
from mcukd.fixedpoint.gates import GATE_TABLES
from mcukd.fixedpoint.quantize import ACTIVATION_BITS, BITS
from mcukd.fold_results import STUDENT
from mcukd.sweep.options import BESIDE, PLAIN, student_config, unused_options
from mcukd.text import did_you_mean, listed

FLOAT = "float"

#: Options of `mcukd distill` that a grid does not have: it states them in another way, or they do not affect
#: the students in its rows.
_NOT_OPTIONS = ("split", "seeds", "seed", "jobs", "device", "search", "search_trials", "stream")
#: Type of each option of `mcukd distill` that a grid may name.
OPTIONS = {name: one.kind for name, one in distill_options().items() if name not in _NOT_OPTIONS}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Options(_Strict):
    """Section with options of `mcukd distill`, each in its present or its earlier spelling."""

    @model_validator(mode="before")
    @classmethod
    def _in_one_spelling(cls, values: Any) -> Any:
        for name, earlier in STORED_NAMES.items():
            if isinstance(values, dict) and name in values and earlier in values:
                raise ValueError(f"{earlier} is the earlier spelling of {name}; give one of them")
        return values


class Axes(_Options):
    """Axes of a grid besides the options of `OPTIONS`. A single value may stand for a list of one.

    folds: names of some of the split's folds; without them all. seeds: how many, or a list. beside: of
    `BESIDE`. bits: widths of the weights, 4 to 16, and "float"; none leaves the students out. gates,
    activation_bits, qat: of the integer models.
    """

    folds: tuple[str, ...] | None = None
    seeds: tuple[int, ...] = (0,)
    beside: tuple[str, ...] = ()
    bits: tuple[Any, ...] = (FLOAT, 8)
    gates: tuple[str, ...] = (GATE_TABLES[0],)
    activation_bits: tuple[int, ...] = (16,)
    qat: tuple[bool, ...] = (False,)

    @field_validator("*", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any, info: Any) -> Any:
        if info.field_name == "seeds" and type(value) is int:
            if not 1 <= value <= 1000:
                raise ValueError("1 to 1000 seeds are expected, or a list such as [5, 6]")
            return tuple(range(value))
        if isinstance(value, (int, float, str)):
            value = [value]
        return _in_current_spelling(value, info) if isinstance(value, list) else value

    @field_validator("*")
    @classmethod
    def _each_once(cls, values: Any, info: Any) -> Any:
        if values is None:
            return values
        if not values and info.field_name not in ("beside", "bits"):
            raise ValueError("a list of at least one value is expected")
        for value in values:
            if values.count(value) > 1:
                raise ValueError(f"each value is expected once, and {value!r} is there twice")
        return values

    @field_validator("seeds")
    @classmethod
    def _seeds(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        return _each_within(values, range(2**31))

    @field_validator("activation_bits")
    @classmethod
    def _activation_bits(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        return _each_within(values, ACTIVATION_BITS)

    @field_validator("bits")
    @classmethod
    def _bits(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        for value in values:
            if value != FLOAT and (type(value) is not int or value not in BITS):
                raise ValueError(f'"{FLOAT}" or {BITS.start} to {BITS.stop - 1} bits are expected')
        return values

    @field_validator("beside")
    @classmethod
    def _beside(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return _each_among(values, BESIDE)

    @field_validator("gates")
    @classmethod
    def _gates(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return _each_among(values, GATE_TABLES)

    def options(self) -> dict[str, tuple[Any, ...]]:
        """Return the options of `mcukd distill` that are crossed, with their values."""
        found = {name: getattr(self, name) for name in OPTIONS}
        return {name: values for name, values in found.items() if values is not None}


class _Shared(_Options):
    @field_validator("*", mode="before")
    @classmethod
    def _in_current_spelling(cls, value: Any, info: Any) -> Any:
        return _in_current_spelling([value], info)[0]


def _in_current_spelling(values: list[Any], info: Any) -> tuple[Any, ...]:
    return tuple(current_value(info.field_name, v) if isinstance(v, str) else v for v in values)


def _several(kind: Any) -> Any:
    return tuple.__class_getitem__((kind, ...))


def _key(name: str) -> Any:
    """Return the field of an option, which may have its earlier name in the file."""
    earlier = stored_name(name)
    return Field(None) if earlier == name else Field(None, validation_alias=AliasChoices(name, earlier))


_axes: dict[str, Any] = {name: (_several(kind) | None, _key(name)) for name, kind in OPTIONS.items()}
_shared: dict[str, Any] = {name: (kind | None, _key(name)) for name, kind in OPTIONS.items()}
_CrossedAxes: type[Axes] = create_model("CrossedAxes", __base__=Axes, **_axes)
_Training: type[_Strict] = create_model("Training", __base__=_Shared, **_shared)


class Measure(_Strict):
    """Count instructions of every size and width on an emulated core."""

    core: str
    optimize: Literal["speed", "size"] = "speed"

    @field_validator("core")
    @classmethod
    def _is_measured(cls, core: str) -> str:
        cores = cores_with("machine", "cycles")
        if core not in cores:
            raise ValueError(f"one of {listed(cores)} is expected")
        return core


class Grid(_Strict):
    """A whole grid. data: a card, as `mcukd distill --data` takes it. seed: of simulated data.

    training: options of `mcukd distill` that all runs share; those not given are its defaults.
    """

    data: str
    split: str = "loao"
    seed: int = Field(0, ge=0, lt=2**31)
    grid: _CrossedAxes = _CrossedAxes()
    training: _Training = _Training()
    measure: Measure | None = None

    @field_validator("split")
    @classmethod
    def _whole_animals(cls, split: str) -> str:
        if split == "random":
            raise ValueError(
                "a split by whole animals is expected: a random one flatters, and what a sweep chose by it "
                "would fail on new animals"
            )
        return split

    @property
    def axes(self) -> Axes:
        """The axes that are combined."""
        return self.grid

    def crossed(self) -> dict[str, tuple[Any, ...]]:
        """Return the options of `mcukd distill` that are axes; where no method is given, two of them are."""
        crossed = self.axes.options()
        if "method" in crossed or "method" in self.shared():
            return crossed
        return {"method": (PLAIN, DistillConfig.method), **crossed}

    def shared(self) -> dict[str, Any]:
        """Return the options of `mcukd distill` that all runs share, where they are given."""
        return self.training.model_dump(exclude_none=True)

    def configs(self) -> list[DistillConfig]:
        """Return the options of every training; combinations that cannot work are left out.

        Raises UserError for a value that works with no other, such as a name that does not exist.
        """
        found: list[DistillConfig] = []
        refused: dict[tuple[str, Any], UserError] = {}
        accepted: set[tuple[str, Any]] = set()
        for choice in self._choices():
            try:
                config = student_config({**self.shared(), **dict(choice)})
            except UserError as error:
                for value in choice:
                    refused.setdefault(value, error)
            else:
                found.append(config)
                unused = unused_options(STUDENT, config)
                accepted.update(value for value in choice if value[0] not in unused)
        for value, problem in refused.items():
            if value not in accepted:
                raise problem
        return list(dict.fromkeys(found))

    def _choices(self) -> Iterator[tuple[tuple[str, Any], ...]]:
        crossed = self.crossed()
        for values in product(*crossed.values()):
            yield tuple(zip(crossed, values))


def read_grid(path: Path) -> Grid:
    """Read a grid; UserError, in one sentence, where it is missing or not as expected."""
    grid = GRIDS.check(path, Grid)
    for name in grid.axes.options():
        if name in grid.shared():
            raise UserError(f"{path}: {name} is under [grid] and under [training]; give it once.")
    try:
        grid.configs()
    except UserError as error:
        raise UserError(f"{path}: as an option of 'mcukd distill', {error}") from None
    return grid


GRIDS = ConfigFileType(
    name="grid",
    folder="sweeps",
    document="docs/reference/sweep.md",
    sections={(): Grid, ("grid",): _CrossedAxes, ("training",): _Training, ("measure",): Measure},
)


def _each_within(values: tuple[int, ...], allowed: range) -> tuple[int, ...]:
    for value in values:
        if value not in allowed:
            raise ValueError(f"{allowed.start} to {allowed.stop - 1} is expected for each, found {value}")
    return values


def _each_among(values: tuple[str, ...], known: Sequence[str]) -> tuple[str, ...]:
    for value in values:
        if value not in known:
            raise ValueError(f"{value!r} is unknown{did_you_mean(value, known)}; expected {listed(known)}")
    return values
