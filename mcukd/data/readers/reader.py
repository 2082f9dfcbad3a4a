"""Protocol of readers: their section [source], their requests, and the segments they yield."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from mcukd.data.extra import Extra
from mcukd.data.raw_segments import RawSegment
from mcukd.data.sections import Columns, Section, Signal


class Source(Section):
    """The section [source] of a card. reader: name of the reader, whose class of this section it has."""

    reader: str


class FolderSource(Source):
    """A source of files below one folder. exclude_animals: animals left out.

    folder: below the data root or beside the card, see `mcukd.data.sources`.
    """

    folder: str
    exclude_animals: tuple[str, ...] = ()


AnySource = TypeVar("AnySource", bound=Source)


@dataclass(frozen=True)
class Request(Generic[AnySource]):
    """Request to a reader.

    card: the card's name, for messages. source, columns, signal, position: as in the card. window: length in
    samples. extra: the channels of [[extra]] to read. folder: of the files; None where the source has none.
    seed: of simulated samples. keep: tells by label, animal and origin whether a segment will be used; a
    reader that can skip files asks it before it reads them. limit: long segments may be handed on in pieces
    of about this many samples. progress: show a bar where reading takes long.
    """

    card: str
    source: AnySource
    columns: Columns | None
    signal: Signal
    position: str
    window: int
    extra: tuple[Extra, ...]
    folder: Path | None
    seed: int
    keep: Callable[[str | None, str, str], bool]
    limit: int | None
    progress: bool

    @property
    def root(self) -> Path:
        """The folder of the files, for readers whose source has one."""
        assert self.folder is not None
        return self.folder


class Reader(ABC, Generic[AnySource]):
    """A reader of one kind of source; `registry.READERS.register` makes it known.

    name: the value of source.reader. source: class of the section [source], a `FolderSource` where there are
    files. columns: whether a card has a section [columns]. extra_channels: whether it reads [[extra]].
    fixed_rate: why samples cannot be resampled; "" where they can. labels_change: whether a recording
    holds several labels one after another, so that the check can count windows of mixed labels.
    exclude_key: key of the section that leaves out one faulty recording.
    """

    name: str
    source: type[AnySource]
    columns: bool = False
    extra_channels: bool = False
    fixed_rate: str = ""
    labels_change: bool = False
    exclude_key: str = "exclude_animals"

    @abstractmethod
    def read(self, request: Request[AnySource]) -> Iterator[RawSegment]:
        """Yield the segments in order.

        Raises UserError, naming file and line, only for what cannot be read.
        """

    def files(self, request: Request[AnySource]) -> list[Path]:
        """Return the files samples come from, in the order they are read; their bytes identify the data set.

        Raises UserError for what is missing.
        """
        return []

    def facts(self, request: Request[AnySource]) -> dict[str, Any]:
        """Return what identifies the samples beside the card and the files."""
        return {}

    def check(self, columns: Columns | None, signal: Signal, simulated: bool) -> None:
        """Check that other sections of a card go with this reader. Raises ValueError, without a full stop."""
