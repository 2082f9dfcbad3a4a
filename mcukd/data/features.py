"""Tables of features: one row per window that was described elsewhere, for training a classifier head.

Nothing here is a signal. A table tests a head; what computes the features on the tag is not part of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from mcukd.config_files import ConfigFileType
from mcukd.data.card import CARDS, Card, is_feature_card, read_card
from mcukd.data.sections import CardFile, ClassMap, Section
from mcukd.data.sources import find_folder
from mcukd.errors import UserError
from mcukd.files import sha256_file, sha256_text
from mcukd.text import did_you_mean, listed


class FeatureSource(Section):
    """One CSV file with a row per window. folder: as in the card of a signal."""

    folder: str
    file: str
    exclude_animals: tuple[str, ...] = ()


class FeatureColumns(Section):
    """Names of the columns. features: in the order of the head's inputs."""

    features: tuple[str, ...] = Field(min_length=1, max_length=1024)
    animal: str
    label: str
    delimiter: str = Field(default=",", min_length=1, max_length=1)

    @model_validator(mode="after")
    def _say_different_things(self) -> FeatureColumns:
        names = [*self.features, self.animal, self.label]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"the column {twice!r} is named twice, but each column may stand for one thing")
        return self


class FeatureCard(CardFile):
    """The card of a table of features; see docs/reference/data.md for the TOML it is read from."""

    kind: Literal["features"]
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str
    description: str
    licence: str
    citation: str
    simulated: bool
    position: Literal["collar", "eartag", "other"]
    source: FeatureSource
    columns: FeatureColumns
    class_map: ClassMap = Field(alias="classes")

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the head's outputs."""
        return self.class_map.names


@dataclass(frozen=True)
class Features:
    """Labelled feature vectors.

    values: (N, F) float64, as the table has them: not standardised. labels: (N,) int64, index into `classes`.
    animals: (N,) str. names: of the F columns.
    """

    values: NDArray[np.float64]
    labels: NDArray[np.int64]
    animals: NDArray[Any]
    classes: tuple[str, ...]
    names: tuple[str, ...]
    card: str = ""
    simulated: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: NDArray[Any]) -> Features:
        """Return the rows at `index` (integers or a mask), in that order."""
        return replace(
            self, values=self.values[index], labels=self.labels[index], animals=self.animals[index]
        )


FEATURE_CARDS = ConfigFileType(
    name="card of a table of features",
    folder="datasets",
    document="docs/reference/data.md",
    sections={
        (): FeatureCard,
        ("source",): FeatureSource,
        ("columns",): FeatureColumns,
        ("classes",): ClassMap,
    },
)


def load_feature_card(name_or_path: str) -> FeatureCard:
    """Read the card of a table of features by its name, or by the path of its TOML file.

    Raises UserError, in one sentence, when there is no such card, it is of a signal, or is not as expected.
    """
    card = load_any_card(name_or_path)
    if isinstance(card, Card):
        raise UserError(
            f"the card {card.name} is of a signal, not of a table of features; the bundled tables are "
            f"{listed(other.name for other in list_feature_cards())}"
        )
    return card


def load_any_card(name_or_path: str) -> Card | FeatureCard:
    """Read a card of either kind; raises UserError as `load_card` does."""
    path = CARDS.find(name_or_path)
    return _read_feature_card(path) if is_feature_card(path) else read_card(path)


def list_feature_cards() -> list[FeatureCard]:
    """Return the bundled cards of tables of features in alphabetical order."""
    return [_read_feature_card(path) for path in CARDS.bundled() if is_feature_card(path)]


def load_features(card: FeatureCard, data_root: Path | None = None) -> Features:
    """Read a table of features; rows whose label the card ignores are left out.

    Raises UserError naming file and line for what is not a finite number, and for a label the card does not
    mention, a class without a row, or a table of which nothing is left.
    """
    from mcukd.data.tables import read_table

    path = feature_file(card, data_root)
    columns = card.columns
    table = read_table(path, columns.features, [columns.animal, columns.label], columns.delimiter)
    index = card.class_map.index()
    given = [str(label).strip() for label in table[columns.label]]
    for row, label in enumerate(given):
        if label not in index:
            raise UserError(
                f"{path}, line {row + 2}: the label {label!r} is not in the card {card.name}"
                f"{did_you_mean(label, index)}; add it to classes.names, classes.merge or classes.ignore "
                f"(known labels: {listed(index)})"
            )
    animals = np.array([str(animal).strip() for animal in table[columns.animal]])
    numbers = [index[label] for label in given]
    keep = np.array([number is not None for number in numbers]) & ~np.isin(
        animals, card.source.exclude_animals
    )
    labels = np.array([-1 if number is None else number for number in numbers], dtype=np.int64)[keep]
    _check_classes(card, path, labels)
    return Features(
        values=np.stack([table[name] for name in columns.features], axis=1)[keep],
        labels=labels,
        animals=animals[keep],
        classes=card.classes,
        names=columns.features,
        card=card.name,
        simulated=card.simulated,
    )


def feature_file(card: FeatureCard, data_root: Path | None) -> Path:
    """Find the table; UserError that lists the places where it was looked for."""
    path = find_folder(card.name, card.source.folder, card.path, data_root) / card.source.file
    if not path.is_file():
        raise UserError(f"the file {path} does not exist; check source.file and the data root")
    return path


def features_sha256(card: FeatureCard, data_root: Path | None = None) -> str:
    """Return the identity of the rows: the table's bytes and everything in the card that changes a row."""
    facts = card.model_dump(
        mode="json", by_alias=True, exclude={"title", "description", "licence", "citation"}
    )
    facts["files"] = {card.source.file: sha256_file(feature_file(card, data_root))}
    return sha256_text(json.dumps(facts, sort_keys=True))


def _read_feature_card(path: Path) -> FeatureCard:
    card = FEATURE_CARDS.check(path, FeatureCard)
    card._path = path.resolve()
    return card


def _check_classes(card: FeatureCard, path: Path, labels: NDArray[np.int64]) -> None:
    present = set(labels.tolist())
    missing = [name for number, name in enumerate(card.classes) if number not in present]
    if missing:
        raise UserError(
            f"{path} has no row of class {missing[0]}; correct [classes] of card {card.name} or add the data"
        )
