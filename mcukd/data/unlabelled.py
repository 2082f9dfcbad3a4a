"""Cards of recordings without labels: `mcukd data import --unlabelled` writes them, classify reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from mcukd.config_files import ConfigFileType
from mcukd.data.card import CARDS, UNLABELLED, is_unlabelled_card
from mcukd.data.recordings import STANDARD_GRAVITY
from mcukd.data.sections import Axis, CardFile, Section
from mcukd.errors import UserError


class UnlabelledSource(Section):
    """Where the Parquet lies, beside the card. imported_from: the files it was made of, for the reader."""

    folder: str
    imported_from: str


class UnlabelledSignal(Section):
    """Units, rate and axes of the samples. counts_per_g: scale of the files where `units` is "counts"."""

    units: Literal["g", "m/s2", "mg", "counts"]
    rate_hz: float = Field(gt=0, le=10_000)
    counts_per_g: float | None = Field(default=None, gt=0)
    axes: tuple[Axis, ...] = Field(min_length=3, max_length=3)

    @model_validator(mode="after")
    def _scale_goes_with_counts(self) -> UnlabelledSignal:
        if (self.units == "counts") != (self.counts_per_g is not None):
            raise ValueError(f'counts_per_g goes with units = "counts", but units is "{self.units}"')
        return self

    @property
    def per_g(self) -> float:
        """How much of the units 1 g is."""
        known = {"g": 1.0, "m/s2": STANDARD_GRAVITY, "mg": 1000.0}
        return known[self.units] if self.counts_per_g is None else self.counts_per_g


class UnlabelledRecording(Section):
    """One Parquet file of one animal: segment, time in seconds, x, y, z in the card's units.

    gravity_g: mean vector in g. samples: rows.
    """

    file: str
    animal: str
    samples: int = Field(ge=1)
    gravity_g: tuple[float, float, float]


class UnlabelledCard(CardFile):
    """The card of recordings without labels; see docs/reference/classify.md for the TOML it is read from."""

    kind: Literal["unlabelled"]
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str
    description: str
    licence: str
    citation: str
    simulated: bool
    position: Literal["collar", "eartag", "other"]
    source: UnlabelledSource
    signal: UnlabelledSignal
    recordings: tuple[UnlabelledRecording, ...] = Field(min_length=1)

    def file(self, recording: UnlabelledRecording) -> Path:
        """Return the path of a recording; UserError where it is gone."""
        assert self.path is not None
        path = self.path.parent / self.source.folder / recording.file
        if not path.is_file():
            raise UserError(f"{path} is gone, which {self.path} lists; restore it, or import the data again")
        return path


def load_unlabelled(path: Path) -> UnlabelledCard:
    """Read the card of recordings without labels, or the one in a folder; UserError for what is none."""
    file = path / "card.toml" if path.is_dir() else path
    if not file.is_file():
        raise UserError(
            f"{path} holds no card.toml; name a folder that 'mcukd data import --unlabelled' made, or its "
            "card.toml"
        )
    if file.suffix.lower() != ".toml":
        raise UserError(
            f"{file} is no card but a '{file.suffix}' file; name the card.toml that 'mcukd data import "
            "--unlabelled' writes beside it"
        )
    if not is_unlabelled_card(file):
        raise UserError(
            f"{file} is a card of labelled data, and recordings without labels are expected here; name a "
            "card that 'mcukd data import --unlabelled' made"
        )
    card = UNLABELLED_CARDS.check(file, UnlabelledCard)
    card._path = file.resolve()
    return card


UNLABELLED_CARDS = ConfigFileType(
    name=f"card of {UNLABELLED} recordings",
    folder=CARDS.folder,
    document="docs/reference/classify.md",
    sections={
        (): UnlabelledCard,
        ("source",): UnlabelledSource,
        ("signal",): UnlabelledSignal,
        ("signal", "axes"): Axis,
        ("recordings",): UnlabelledRecording,
    },
)
