"""Agree stage: labels of an observer against what tags said, per animal and together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mcukd.annotations.reading import Reading, Said
from mcukd.data.importer.animal_names import spelling_key
from mcukd.errors import UserError
from mcukd.extras import require
from mcukd.files import require_other, write_json, write_text
from mcukd.metrics.agreement.periods import Periods, budget_agreement
from mcukd.metrics.agreement.settings import AgreementSettings
from mcukd.metrics.agreement.summary import agreement_of
from mcukd.metrics.agreement.track import Track
from mcukd.observation.account import session_tracks
from mcukd.pipeline.aligning import aligned
from mcukd.pipeline.behaviour import OBSERVERS, TAG, is_session, is_table, read_source
from mcukd.report.agreement_page import agreement_page
from mcukd.text import listed


@dataclass(frozen=True)
class TagFile:
    """A tag's side. animal: that wears the tag, empty where the file or the labels say it."""

    path: Path
    animal: str = ""


@dataclass
class _Sides:
    """Accounts of the labels and of the tags with the same animals' names, and what is to be said of them."""

    labels: list[Track]
    tags: list[Track] = field(default_factory=list)
    periods: list[Periods] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def agree(
    labels: Path,
    tags: Sequence[TagFile],
    reading: Reading,
    tag_reading: Reading,
    settings: AgreementSettings,
    out: Path | None = None,
    align: bool = False,
) -> dict[str, Any]:
    """Compare labels with what tags said, and return figures in JSON types.

    labels: a file of behaviour over time, or a session's folder, whose observers count. tags: the other
    side; empty for a session's own tag, or, without one, for its two observers. reading, tag_reading: how
    either side is read; the classes of the labels are those of the tags. out: a page where its name ends in
    .html, else JSON. align: move the tags' times to where they agree best.

    Returned are `labels`, `tags`, `notes`, `model_sha256`, of a session's folder `session`, as
    `Account.stated`, and either `agreement`, as `agreement_of` returns
    it, or, of payloads, `totals`, as `agreement_of_totals`. Raises UserError where a side cannot be read,
    where animals of both sides cannot be matched, and where they have no time in common.
    """
    if out is not None and out.suffix.lower() not in (".html", ".json"):
        raise UserError(f"--out is {out}; a name that ends in .html or .json is expected.")
    if out is not None and out.suffix.lower() == ".html":
        require("matplotlib", f"the page {out}", "or name a .json", extra="field")
    if not tags and not is_session(labels):
        raise UserError(
            f"{labels} is no folder of a session, so the tag's side is missing; name its file too."
        )
    files = tags or [TagFile(labels)]
    places = [one.resolve() for one in (labels, *(one.path for one in tags)) if not is_session(one)]
    if twice := next((one for one in places if places.count(one) > 1), None):
        raise UserError(
            f"{twice} is given twice; give each file once, as every bout in it would count twice."
        )
    if out is not None:
        require_other(out, [labels, *(one.path for one in files)])
    pair = [] if tags else _two_observers(labels, reading)
    said = pair[1:] or [read_source(one.path, replace(tag_reading, animal=one.animal), TAG) for one in files]
    if any(one.periods for one in said) and any(one.tracks for one in said):
        raise UserError("some of the tags' files are payloads and others tell times; compare them apart.")
    _refuse_two_models(files, said)
    classes = _classes(said)
    known = pair[0] if pair else read_source(labels, replace(reading, classes=classes), OBSERVERS)
    if known.periods:
        raise UserError(f"{labels} holds payloads, which tell no times; give them as the tag's side.")
    facts: dict[str, Any] = {
        "labels": str(labels),
        "tags": [str(one.path) for one in files],
        "model_sha256": next((one.model_sha256 for one in said if one.model_sha256), None),
        # A session says the same of both of its sides.
        "notes": list(dict.fromkeys([*known.notes, *(note for one in said for note in one.notes)])),
    }
    if tag_reading.model is not None and tag_reading.model.simulated:
        facts["notes"].append("The study's model was made from SIMULATED data.")
    if pair:
        settings = replace(settings, names=(pair[0].observers[0], pair[0].observers[1]))
    elif any(is_table(one.path) for one in files):
        # Two observers; neither is a tag.
        settings = replace(settings, names=(labels.name, files[0].path.name))
    sides = _matched(labels, known, files, said)
    facts["notes"] += sides.notes
    if align:
        if sides.periods:
            raise UserError("--align needs times, and payloads tell counts alone; leave it out.")
        sides.tags, uncertainty, notes = aligned(sides.labels, sides.tags)
        settings = replace(settings, clock_uncertainty_s=settings.clock_uncertainty_s + uncertainty)
        facts["notes"] += notes
    if sides.periods:
        facts["budget_agreement"] = _budgets(sides, settings, known)
    else:
        facts["agreement"] = _agreement(sides, settings, [known, *said])
    if is_session(labels):
        facts["session"] = session_tracks(labels).stated()
    if out is not None:
        _write(out, facts, sides)
    return facts


def _two_observers(folder: Path, reading: Reading) -> list[Said]:
    """Return what each of the two observers of a session without a tag says; nothing of one with a tag.

    Raises UserError where there is neither a tag nor two observers.
    """
    if session_tracks(folder).tags:
        return []
    found = read_source(folder, reading, OBSERVERS)
    if len(found.observers) != 2:
        raise UserError(
            f"{folder}: the session holds nothing of a tag that can be dated, and {len(found.observers)} "
            "observers, expected two; name the tag's log too."
        )
    return [
        replace(found, tracks=tuple(track for track in found.tracks if track.source == name))
        for name in found.observers
    ]


def _accounts(said: Said) -> list[Track | Periods]:
    return [*said.tracks, *said.periods]


def _classes(said: Sequence[Said]) -> tuple[str, ...]:
    """Return the names of the tags' classes in their order, without "unknown"."""
    names = dict.fromkeys(name for one in said for account in _accounts(one) for name in account.classes)
    return tuple(name for name in names if not AgreementSettings().is_no_answer(name))


def _refuse_two_models(files: Sequence[TagFile], said: Sequence[Said]) -> None:
    known = [(one.path, other.model_sha256[:8]) for one, other in zip(files, said) if other.model_sha256]
    for path, model in known:
        if model != known[0][1]:
            raise UserError(
                f"{known[0][0]} is of model {known[0][1]} and {path} of {model}: figures of two models "
                "together say nothing of either; compare them apart."
            )


def _matched(labels: Path, known: Said, files: Sequence[TagFile], said: Sequence[Said]) -> _Sides:
    """Return both sides' tracks under the labels' names of animals.

    A tag's animal is the one that is stated, or that its file names, or the only one on both sides, or the
    one that its file is called by.
    """
    animals = list(dict.fromkeys(track.animal for track in known.tracks))
    sides = _Sides(list(known.tracks))
    accounts = [(one.path, account) for one, each in zip(files, said) for account in _accounts(each)]
    if len(accounts) == len(animals) == 1 and not (animals[0] and accounts[0][1].animal):
        # One animal on either side, of which one does not say its name.
        path, account = accounts[0]
        name = animals[0] or account.animal
        sides.notes.append(f"{path.name}: taken for the tag of {name or 'the animal of the labels'}.")
        sides.labels = [replace(track, animal=name) for track in sides.labels]
        accounts, animals = [(path, replace(account, animal=name))], [name]
    for path, account in accounts:
        key = spelling_key(account.animal or path.stem)
        fitting = [name for name in animals if name == account.animal or (name and spelling_key(name) == key)]
        if len(fitting) != 1:
            raise UserError(
                f"{path}: nothing says which of the labels' animals "
                f"({listed(name or '?' for name in animals)}) wore this tag"
                f"{f'; it says {account.animal!r}' if account.animal else ''}. Name it, like "
                f"{animals[0] or 'ANIMAL'}={path}, or bring the labels' names to the tags' with --subject "
                "NAME=ANIMAL."
            )
        if isinstance(account, Track):
            sides.tags.append(replace(account, animal=fitting[0]))
        else:
            sides.periods.append(replace(account, animal=fitting[0]))
    paired = {*(one.animal for one in sides.tags), *(one.animal for one in sides.periods)}
    unpaired = [name for name in animals if name not in paired]
    if unpaired:
        sides.notes.append(f"{labels.name}: no tag of {listed(unpaired)} is given; left out.")
    sides.labels = [track for track in sides.labels if track.animal in paired]
    watched = [track.animal for track in sides.labels if len(track)]
    twice = sorted({name for name in watched if watched.count(name) > 1})
    if twice:
        sides.notes.append(
            f"Several observers watched {listed(twice)}: a bout counts once for each of them, so intervals "
            "over bouts are narrower than those of as many different bouts."
        )
    return sides


def _agreement(sides: _Sides, settings: AgreementSettings, said: Sequence[Said]) -> dict[str, Any]:
    pairs = [(mine, tag) for tag in sides.tags for mine in sides.labels if mine.animal == tag.animal]
    settings = replace(
        settings,
        clock_uncertainty_s=settings.clock_uncertainty_s + max(one.uncertainty_s for one in said),
    )
    found = agreement_of(pairs, settings, simulated=any(one.simulated for one in said))
    if not found["together"]["minutes"]["both_know"]:
        raise UserError(
            f"labels and tags have no time in common: {_span('the labels', sides.labels)}, and "
            f"{_span('the tags', sides.tags)}; check zones, dates and --offset."
        )
    return found


def _span(who: str, tracks: Sequence[Track]) -> str:
    if not any(len(track) for track in tracks):
        return f"{who} hold nothing that counts"
    first = min(int(track.starts[0]) for track in tracks if len(track))
    last = max(int(track.ends[-1]) for track in tracks if len(track))
    moments = [str(np.datetime64(ns // 10**9, "s")).replace("T", " ") for ns in (first, last)]
    return f"{who} are from {moments[0]} to {moments[1]} UTC"


def _budgets(sides: _Sides, settings: AgreementSettings, known: Said) -> dict[str, Any]:
    pairs = [
        (mine, periods) for periods in sides.periods for mine in sides.labels if mine.animal == periods.animal
    ]
    return budget_agreement(pairs, settings, simulated=known.simulated)


def _write(out: Path, facts: dict[str, Any], sides: _Sides) -> None:
    if out.suffix.lower() == ".json":
        write_json(out, facts)
    else:
        write_text(out, agreement_page(facts, sides.labels, sides.tags))
