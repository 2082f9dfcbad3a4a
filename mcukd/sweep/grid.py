"""The grid of a sweep: a TOML file that says what is crossed with what (`docs/sweep.md`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Optional

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mcukd.distill.config import DistillConfig
from mcukd.errors import UserError
from mcukd.fixedpoint.gates import KINDS
from mcukd.fixedpoint.qat import LEARNT_BITS
from mcukd.fixedpoint.quantize import ACTIVATION_BITS, BITS
from mcukd.toml import Kind
from mcukd.wording import did_you_mean, listed

PLAIN, DISTILLED, QAT, FILTER_MLP = "plain", "distilled", "qat", "filter-mlp"
TEACHER, FOREST, MAJORITY = "teacher", "random-forest", "majority"
#: What has neither size nor integer form here.
REFERENCES = (FILTER_MLP, TEACHER, FOREST, MAJORITY)
METHODS = (PLAIN, DISTILLED, QAT, *REFERENCES)
FLOAT = "float"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Axes(_Strict):
    """What is crossed. A single value may stand for a list of one.

    folds: names of some of the split's folds; without them all. seeds: how many, or a list. methods: of
    `METHODS`. gru_units, dense_units: sizes of the students. bits: widths of the weights, 4 to 16, and
    "float". gates, activation_bits: of the integer models.
    """

    folds: Optional[tuple[str, ...]] = None
    seeds: tuple[int, ...] = (0,)
    methods: tuple[str, ...] = (PLAIN, DISTILLED)
    gru_units: tuple[int, ...] = (16,)
    dense_units: tuple[int, ...] = (16,)
    bits: tuple[Any, ...] = (FLOAT, 8)
    gates: tuple[str, ...] = (KINDS[0],)
    activation_bits: tuple[int, ...] = (16,)

    @field_validator("seeds", mode="before")
    @classmethod
    def _count_or_list(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            if not 1 <= value <= 1000:
                raise ValueError("1 to 1000 seeds are expected, or a list such as [5, 6]")
            return tuple(range(value))
        return value

    @field_validator("methods", "gru_units", "dense_units", "bits", "gates", "activation_bits", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return (value,) if isinstance(value, (int, str)) else value

    @field_validator("*")
    @classmethod
    def _each_once(cls, values: Any) -> Any:
        if values is None:
            return values
        if not values:
            raise ValueError("a list of at least one value is expected")
        for value in values:
            if values.count(value) > 1:
                raise ValueError(f"each value is expected once, and {value!r} is there twice")
        return values

    @field_validator("seeds")
    @classmethod
    def _seeds(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        return _each_within(values, range(2**31))

    @field_validator("gru_units", "dense_units")
    @classmethod
    def _units(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        return _each_within(values, range(1, 257))

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

    @field_validator("methods")
    @classmethod
    def _methods(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return _each_among(values, METHODS)

    @field_validator("gates")
    @classmethod
    def _gates(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return _each_among(values, KINDS)


class Training(_Strict):
    """Options of `mcukd distill` that all runs share; those not given are its defaults."""

    epochs: int = Field(DistillConfig.epochs, ge=1, le=100_000)
    teacher_epochs: int = Field(DistillConfig.teacher_epochs, ge=1, le=100_000)
    teacher_width: int = Field(DistillConfig.teacher_width, ge=1, le=256)
    temperature: float = Field(DistillConfig.temperature, ge=0.1, le=100)
    mixing: float = Field(DistillConfig.mixing, ge=0, le=1)
    mounting: Optional[Literal["aligned", "turned", "any"]] = None


class Measure(_Strict):
    """Count instructions of every size and width on an emulated core."""

    core: Literal["m3", "m4f"]
    optimize: Literal["speed", "size"] = "speed"


class Grid(_Strict):
    """A whole grid. data: a card, as `mcukd distill --data` takes it. seed: of simulated data."""

    data: str
    split: str = "loao"
    seed: int = Field(0, ge=0, lt=2**31)
    grid: Axes = Axes()
    training: Training = Training()
    measure: Optional[Measure] = None

    @field_validator("split")
    @classmethod
    def _whole_animals(cls, split: str) -> str:
        if split == "random":
            raise ValueError(
                "a split by whole animals is expected: a random one flatters, and what a sweep chose by it "
                "would fail on new animals"
            )
        return split


@dataclass(frozen=True)
class Point:
    """One combination of all axes but fold and seed; what an axis does not apply to is None.

    bits: None for float weights.
    """

    method: str
    gru_units: Optional[int] = None
    dense_units: Optional[int] = None
    bits: Optional[int] = None
    gates: Optional[str] = None
    activation_bits: Optional[int] = None


def points(axes: Axes) -> list[Point]:
    """Return the combinations of a grid's axes that exist, each once.

    Baselines and the teacher have neither size nor width; the filter-MLP has no integer form; `qat` has the
    widths it can be learnt at (`LEARNT_BITS` and fewer) and no float form.
    """
    found: dict[Point, None] = {}
    for method in axes.methods:
        if method in REFERENCES:
            found[Point(method)] = None
            continue
        for gru in axes.gru_units:
            for dense in axes.dense_units:
                for bits in axes.bits:
                    for point in _widths(method, gru, dense, bits, axes):
                        found[point] = None
    return list(found)


def read_grid(path: Path) -> Grid:
    """Read a grid; UserError, in one sentence, where it is missing or not as expected."""
    grid = GRIDS.check(path, Grid)
    if not points(grid.grid):
        raise UserError(
            f"{path}: no run in it: {QAT} is for 4 to 8 bits, and grid.bits is "
            f"{listed(grid.grid.bits)}; add a width or a method."
        )
    return grid


GRIDS = Kind(
    name="grid",
    folder="sweeps",
    document="docs/sweep.md",
    sections={(): Grid, ("grid",): Axes, ("training",): Training, ("measure",): Measure},
)


def _widths(method: str, gru: int, dense: int, bits: Any, axes: Axes) -> Sequence[Point]:
    if bits == FLOAT:
        return [] if method == QAT else [Point(method, gru, dense)]
    if method == QAT and bits > LEARNT_BITS:
        return []
    return [
        Point(method, gru, dense, bits, gates, activation)
        for gates in axes.gates
        for activation in axes.activation_bits
    ]


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
