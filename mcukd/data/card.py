"""Dataset cards: what a data set is, where it lies and how its samples become sensor counts."""

from __future__ import annotations

from functools import lru_cache, reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, SerializeAsAny, TypeAdapter, model_validator

from mcukd.config_files import ConfigFileType, load_toml
from mcukd.data.extra import Extra, check_names
from mcukd.data.readers.reader import Source
from mcukd.data.readers.registry import READERS
from mcukd.data.sections import Axis, CardFile, ClassMap, Columns, Signal, WindowPlan
from mcukd.errors import UserError
from mcukd.resources import resource_dir

FEATURES, UNLABELLED = "features", "unlabelled"


def _of_registered_reader(value: Any) -> Source:
    """Validate the section [source] as a discriminated union of the sources of all readers."""
    return _source_union(tuple(reader.source for reader in READERS.values())).validate_python(value)


@lru_cache(maxsize=4)
def _source_union(sources: tuple[type[Source], ...]) -> TypeAdapter[Any]:
    union: Any = Annotated[reduce(or_, sources), Field(discriminator="reader")]
    return TypeAdapter(union)


class Card(CardFile):
    """A data set's card; see docs/reference/data.md for the TOML it is read from."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str
    description: str
    licence: str
    citation: str
    simulated: bool
    position: Literal["collar", "eartag", "other"]
    source: Annotated[SerializeAsAny[Source], PlainValidator(_of_registered_reader)]
    columns: Columns | None = None
    extra: tuple[Extra, ...] = ()
    signal: Signal
    class_map: ClassMap = Field(alias="classes")
    windows: WindowPlan

    @model_validator(mode="after")
    def _sections_agree(self) -> Card:
        reader, columns = READERS[self.source.reader], self.columns
        if reader.columns and columns is None:
            raise ValueError(f'the section [columns] is missing, but the reader "{reader.name}" needs it')
        if not reader.columns and columns is not None:
            raise ValueError(
                f'the section [columns] is there, but the reader "{reader.name}" has no columns to choose'
            )
        if reader.fixed_rate and self.signal.resample_hz is not None:
            raise ValueError(
                f'signal.resample_hz is there, but with the reader "{reader.name}" {reader.fixed_rate}: '
                "leave it out"
            )
        if self.extra and not reader.extra_channels:
            raise ValueError(
                f'[[extra]] is there, but the reader "{reader.name}" has acceleration only: leave it out'
            )
        check_names(self.extra, columns.acceleration if columns else ())
        reader.check(columns, self.signal, self.simulated)
        return self

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
        ("columns",): Columns,
        ("extra",): Extra,
        ("signal",): Signal,
        ("signal", "axes"): Axis,
        ("classes",): ClassMap,
        ("windows",): WindowPlan,
    },
    tagged={"source": lambda: {name: reader.source for name, reader in READERS.items()}},
)
