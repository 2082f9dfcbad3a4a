"""Dataset cards: what a data set is, where it lies and how its samples become sensor counts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Optional, Union

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    field_validator,
    model_validator,
)

from mcukd.config_files import ConfigFileType, load_toml
from mcukd.data.drop import Drop
from mcukd.data.extra import Extra, check_names
from mcukd.errors import UserError
from mcukd.resources import resource_dir
from mcukd.text import listed

INT16_SPAN = 32768
FEATURES, UNLABELLED = "features", "unlabelled"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SegmentsSource(_Strict):
    """A folder of CSV files, one continuous recording of one behaviour each.

    pattern: regular expression that the whole path below the folder must match ("/" between
    folders), with the named groups `label` and `animal`. exclude_files: paths below the folder, or
    shell patterns, of faulty recordings.
    """

    reader: Literal["segments"]
    folder: str
    pattern: str
    exclude_animals: tuple[str, ...] = ()
    exclude_files: tuple[str, ...] = ()
    drop: Optional[Drop] = None

    @field_validator("pattern")
    @classmethod
    def _has_groups(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern).groupindex
        except re.error as error:
            raise ValueError(f"a regular expression is expected ({error})") from None
        missing = [name for name in ("label", "animal") if name not in groups]
        if missing:
            raise ValueError(f"the named group (?P<{missing[0]}>…) is expected in it")
        return pattern


class LongCsvSource(_Strict):
    """One CSV file with a row per sample and columns that name the animal and the behaviour."""

    reader: Literal["long-csv"]
    folder: str
    file: str
    exclude_animals: tuple[str, ...] = ()
    drop: Optional[Drop] = None


class UciHarSource(_Strict):
    """The layout of UCI HAR: `total_acc_[xyz]` text files with a window per line, and an official split."""

    reader: Literal["ucihar"]
    folder: str
    exclude_animals: tuple[str, ...] = ()


class ParquetSource(_Strict):
    """A folder of Parquet files as `mcukd data import` writes them, read in the order of their names.

    Columns: animal, label (null where nothing is known), segment, time in seconds (null where unknown), x, y,
    z in `signal.units`. exclude_segments: numbers of faulty recordings.
    """

    reader: Literal["parquet"]
    folder: str
    exclude_segments: tuple[int, ...] = ()
    exclude_animals: tuple[str, ...] = ()
    drop: Optional[Drop] = None


class SimulatorSource(_Strict):
    """No files: the herd of `mcukd.data.simulation.simulator`, made in memory."""

    reader: Literal["simulator"]
    animals: int = Field(ge=2, le=500)
    minutes_per_animal: float = Field(ge=5, le=600)


Source = Union[SegmentsSource, LongCsvSource, UciHarSource, ParquetSource, SimulatorSource]


class Columns(_Strict):
    """Names of the CSV columns.

    acceleration: one column per axis, in the order of `signal.axes`. time: date and time, or seconds.
    animal, label, segment: only for the reader "long-csv".
    """

    acceleration: tuple[str, ...] = Field(min_length=3, max_length=3)
    time: Optional[str] = None
    animal: Optional[str] = None
    label: Optional[str] = None
    segment: Optional[str] = None
    delimiter: str = Field(default=",", min_length=1, max_length=1)


class Axis(_Strict):
    """One axis of the sensor as worn."""

    name: str
    meaning: str


class Signal(_Strict):
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
    resample_hz: Optional[float] = Field(default=None, gt=0, le=10_000)
    range_g: float = Field(gt=0)
    counts_per_g: float = Field(gt=0)
    recorded_counts_per_g: Optional[float] = Field(default=None, gt=0)
    mounting: Literal["aligned", "turned", "any"] = "turned"
    mounting_from: Optional[Literal["guess", "compared"]] = None
    axes: tuple[Axis, ...] = Field(min_length=3, max_length=3)
    neck_axis: Optional[str] = None

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


class ClassMap(_Strict):
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

    def index(self) -> dict[str, Optional[int]]:
        """Return label of the source → class index, or None where the label is ignored."""
        index: dict[str, Optional[int]] = {name: number for number, name in enumerate(self.names)}
        index.update({label: index[name] for name, labels in self.merge.items() for label in labels})
        index.update(dict.fromkeys(self.ignore))
        return index


class WindowPlan(_Strict):
    """Length and hops in samples. train_hop and operation_hop are `hop` where they are not given."""

    length: int = Field(ge=2, le=65_535)
    hop: int = Field(ge=1)
    train_hop: Optional[int] = Field(default=None, ge=1)
    operation_hop: Optional[int] = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _no_sample_is_skipped(self) -> WindowPlan:
        for name in ("hop", "train_hop", "operation_hop"):
            hop = getattr(self, name)
            if hop is not None and hop > self.length:
                raise ValueError(f"{name} is {hop}, but at most the window length {self.length} is expected")
        return self


class Card(_Strict):
    """A data set's card; see docs/reference/data.md for the TOML it is read from."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str
    description: str
    licence: str
    citation: str
    simulated: bool
    position: Literal["collar", "eartag", "other"]
    source: Annotated[Source, Field(discriminator="reader")]
    columns: Optional[Columns] = None
    extra: tuple[Extra, ...] = ()
    signal: Signal
    class_map: ClassMap = Field(alias="classes")
    windows: WindowPlan
    _path: Optional[Path] = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _sections_agree(self) -> Card:
        reader, columns = self.source.reader, self.columns
        if reader in ("segments", "long-csv") and columns is None:
            raise ValueError(f'the section [columns] is missing, but the reader "{reader}" needs it')
        if reader in ("ucihar", "parquet", "simulator") and columns is not None:
            raise ValueError(
                f'the section [columns] is there, but the reader "{reader}" has no columns to choose'
            )
        if columns is not None:
            by_column = {"animal": columns.animal, "label": columns.label, "segment": columns.segment}
            if reader == "segments" and any(by_column.values()):
                name = next(key for key, value in by_column.items() if value)
                raise ValueError(f'columns.{name} is there, but the reader "segments" takes it from the path')
            if reader == "long-csv" and not (columns.animal and columns.label):
                raise ValueError('columns.animal and columns.label are expected with the reader "long-csv"')
        if reader in ("ucihar", "simulator") and self.signal.resample_hz is not None:
            why = "windows come cut" if reader == "ucihar" else "the herd is made at any rate_hz"
            raise ValueError(
                f'signal.resample_hz is there, but with the reader "{reader}" {why}: leave it out'
            )
        if self.extra and reader in ("parquet", "simulator"):
            raise ValueError(
                f'[[extra]] is there, but the reader "{reader}" has acceleration only: leave it out'
            )
        check_names(self.extra, columns.acceleration if columns else ())
        if reader == "simulator" and not self.simulated:
            raise ValueError('simulated is false, but true is expected with the reader "simulator"')
        if reader == "simulator" and self.signal.units != "g":
            raise ValueError(f'signal.units is "{self.signal.units}", but "g" is what the simulator makes')
        return self

    @property
    def path(self) -> Optional[Path]:
        """The TOML file this card was read from."""
        return self._path

    @property
    def reference(self) -> str:
        """What `load_card` finds this card by from anywhere: a bundled card's name, else its path."""
        if self._path is None or self._path.parent == resource_dir("datasets"):
            return self.name
        return str(self._path)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the model's outputs."""
        return self.class_map.names

    @property
    def rate_hz(self) -> float:
        """Sampling rate of the windows and the board: the stated one, or the one resampled to."""
        return self.signal.resample_hz or self.signal.rate_hz

    @property
    def counts_per_g(self) -> float:
        """Sensor counts per standard gravity."""
        return self.signal.counts_per_g

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes."""
        return tuple(axis.name for axis in self.signal.axes)

    @property
    def neck_axis(self) -> int:
        """Number of the axis along the neck; of an ear tag, the one about which it turns."""
        name = self.signal.neck_axis
        return 0 if name is None else self.axes.index(name)

    @property
    def window(self) -> int:
        """Window length T in samples."""
        return self.windows.length

    @property
    def hop(self) -> int:
        """Hop of evaluation windows in samples."""
        return self.windows.hop

    @property
    def train_hop(self) -> int:
        """Hop of training windows in samples."""
        return self.windows.train_hop or self.windows.hop

    @property
    def operation_hop(self) -> int:
        """Hop between classifications on the tag in samples."""
        return self.windows.operation_hop or self.windows.hop


def load_card(name_or_path: str) -> Card:
    """Read the card of a bundled data set by its name, or any card by the path of its TOML file.

    Raises UserError, in one sentence, when there is no such card or its content is not as expected.
    """
    return read_card(CARDS.find(name_or_path))


def list_cards() -> list[Card]:
    """Return the bundled cards of signals in alphabetical order."""
    return [read_card(path) for path in CARDS.bundled() if not is_feature_card(path)]


def is_feature_card(path: Path) -> bool:
    """Tell whether a TOML file says that it is the card of a table of features."""
    return load_toml(path).get("kind") == FEATURES


def is_unlabelled_card(path: Path) -> bool:
    """Tell whether a TOML file says that it is the card of recordings without labels."""
    return load_toml(path).get("kind") == UNLABELLED


def read_card(path: Path) -> Card:
    """Read and check one TOML file."""
    if is_unlabelled_card(path):
        raise UserError(
            f"{path} is the card of recordings without labels, and labels are expected here; "
            f"'mcukd classify {path}' reads it"
        )
    if is_feature_card(path):
        raise UserError(
            f"{path} is the card of a table of features, and windows of samples are expected here: features "
            f"train a classifier head, but no signal can be made from them; name a card of recordings"
        )
    card = CARDS.check(path, Card)
    card._path = path.resolve()
    return card


CARDS = ConfigFileType(
    name="data set card",
    folder="datasets",
    document="docs/reference/data.md",
    sections={
        (): Card,
        ("source", "segments"): SegmentsSource,
        ("source", "long-csv"): LongCsvSource,
        ("source", "ucihar"): UciHarSource,
        ("source", "parquet"): ParquetSource,
        ("source", "simulator"): SimulatorSource,
        ("columns",): Columns,
        ("extra",): Extra,
        ("signal",): Signal,
        ("signal", "axes"): Axis,
        ("classes",): ClassMap,
        ("windows",): WindowPlan,
    },
    tagged=frozenset({"source"}),
)
