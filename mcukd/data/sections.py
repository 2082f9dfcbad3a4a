"""Sections that cards of several kinds share: columns, axes, signal, classes and windows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from mcukd.text import listed

INT16_SPAN = 32768


class Section(BaseModel):
    """A section of a card: immutable, and without keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CardFile(Section):
    """A card that was read from a TOML file."""

    _path: Path | None = PrivateAttr(default=None)

    @property
    def path(self) -> Path | None:
        """The TOML file this card was read from."""
        return self._path


class Columns(Section):
    """Names of the CSV columns.

    acceleration: one column per axis, in the order of `signal.axes`. time: date and time, or seconds.
    animal, label, segment: only for the reader "long-csv".
    """

    acceleration: tuple[str, ...] = Field(min_length=3, max_length=3)
    time: str | None = None
    animal: str | None = None
    label: str | None = None
    segment: str | None = None
    delimiter: str = Field(default=",", min_length=1, max_length=1)


class Axis(Section):
    """One axis of the sensor as worn."""

    name: str
    meaning: str


class Signal(Section):
    """The contract on units, rate, axes and range.

    counts_per_g and range_g describe the board's sensor: samples are turned into its integers.
    mounting: how alike the sensor sits on every animal; it decides how training windows are turned.
    "aligned": the same way up and round, but for some degrees. "turned": the same way up, turned about the
    vertical by any angle. "any": in no particular way.
    mounting_from: "guess" where the import chose the mounting by gravity alone, "compared" after
    'mcukd data check --mounting'; it changes nothing but what is said.
    recorded_counts_per_g: scale of the files when `units` is "counts" and it differs from the board's.
    neck_axis: name of the axis along the neck, about which a collar slips; the first where not given.
    rate_hz: of the files. resample_hz: of the board, where it differs; samples are resampled to it.
    """

    units: Literal["g", "m/s2", "mg", "counts"]
    rate_hz: float = Field(gt=0, le=10_000)
    resample_hz: float | None = Field(default=None, gt=0, le=10_000)
    range_g: float = Field(gt=0)
    counts_per_g: float = Field(gt=0)
    recorded_counts_per_g: float | None = Field(default=None, gt=0)
    mounting: Literal["aligned", "turned", "any"] = "turned"
    mounting_from: Literal["guess", "compared"] | None = None
    axes: tuple[Axis, ...] = Field(min_length=3, max_length=3)
    neck_axis: str | None = None

    @model_validator(mode="after")
    def _neck_axis_is_one(self) -> Signal:
        names = [axis.name for axis in self.axes]
        if self.neck_axis is not None and self.neck_axis not in names:
            raise ValueError(f"neck_axis is {self.neck_axis!r}, but one of {listed(names)} is expected")
        return self

    @model_validator(mode="after")
    def _fits_int16(self) -> Signal:
        if self.range_g * self.counts_per_g > INT16_SPAN:
            raise ValueError(
                f"range_g × counts_per_g is {self.range_g * self.counts_per_g:g}, "
                f"but at most {INT16_SPAN} is expected, so that every count fits 16 bits"
            )
        if self.recorded_counts_per_g is not None and self.units != "counts":
            raise ValueError(f'recorded_counts_per_g goes with units = "counts", but units is "{self.units}"')
        return self


class ClassMap(Section):
    """The classes in the order of the model's outputs, and what happens to the labels of the source.

    merge: class → labels of the source that count as it, beside its own name. ignore: labels left out.
    """

    names: tuple[str, ...] = Field(min_length=2, max_length=255)
    merge: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    ignore: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _each_label_has_one_meaning(self) -> ClassMap:
        for name in self.merge:
            if name not in self.names:
                raise ValueError(
                    f"merge names the class {name!r}, but one of {listed(self.names)} is expected"
                )
        seen: set[str] = set()
        for label in [
            *self.names,
            *(label for labels in self.merge.values() for label in labels),
            *self.ignore,
        ]:
            if label in seen:
                raise ValueError(
                    f"the label {label!r} occurs twice, but each label may stand in one place only"
                )
            seen.add(label)
        return self

    def index(self) -> dict[str, int | None]:
        """Return label of the source → class index, or None where the label is ignored."""
        index: dict[str, int | None] = {name: number for number, name in enumerate(self.names)}
        index.update({label: index[name] for name, labels in self.merge.items() for label in labels})
        index.update(dict.fromkeys(self.ignore))
        return index


class WindowPlan(Section):
    """Length and hops in samples. train_hop and operation_hop are `hop` where they are not given."""

    length: int = Field(ge=2, le=65_535)
    hop: int = Field(ge=1)
    train_hop: int | None = Field(default=None, ge=1)
    operation_hop: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _no_sample_is_skipped(self) -> WindowPlan:
        for name in ("hop", "train_hop", "operation_hop"):
            hop = getattr(self, name)
            if hop is not None and hop > self.length:
                raise ValueError(f"{name} is {hop}, but at most the window length {self.length} is expected")
        return self
