"""Comparison of two studies' integer models on the same recordings, before the new one goes on animals."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.annotations.behaviours import spelled_as
from mcukd.annotations.formats import read_behaviour
from mcukd.annotations.reading import Reading
from mcukd.classify.difference_facts import comparison_facts
from mcukd.classify.differences import COLUMNS, Differences, Said, Stretch
from mcukd.classify.job import ClassifyJob, check_options, check_orientation
from mcukd.classify.recording import BLOCK, Recording, open_recording
from mcukd.classify.windows import Counters, classify_recording
from mcukd.data.card import Card, is_unlabelled_card, load_card
from mcukd.data.counted import CountedRecording
from mcukd.data.load import load_counts
from mcukd.data.windows import NO_LABEL
from mcukd.errors import UserError
from mcukd.files import replacing, require_other
from mcukd.fixedpoint.model import IntegerModel
from mcukd.inference.batch import classify_stream
from mcukd.metrics.agreement.track import NS, Track
from mcukd.pipeline.classify import RecordingOptions, classifiable_model, classify_jobs
from mcukd.progress import Advance, progress
from mcukd.study import Study
from mcukd.text import listed

#: The longest differing stretches that are told one by one.
TOP = 10


@dataclass(frozen=True)
class _Input:
    """One recording: of whom, its name, what each model says of it, and labels if any.

    stamped: whether its times are since 1970; else they count from its first sample.
    """

    animal: str
    where: str
    first: Iterator[Said]
    second: Iterator[Said]
    labels: Track | None
    stamped: bool


@dataclass(frozen=True)
class _Inputs:
    """All recordings, the names of their labels, notes on how files were read, and simulated or not."""

    each: list[Callable[[Advance], _Input]]
    samples: int
    truths: tuple[str, ...]
    notes: dict[str, str]
    simulated: bool


def compare_models(
    first: Study,
    second: Study,
    paths: Sequence[Path],
    options: RecordingOptions,
    *,
    second_paths: Sequence[Path] = (),
    labels: Sequence[Path] = (),
    reading: Reading = Reading(),
    top: int = TOP,
    out: Path | None = None,
    data_root: Path | None = None,
) -> dict[str, Any]:
    """Classify recordings with the models of two studies and return where their answers differ.

    paths: as for `classify`, or one card of labelled data by path or name. second_paths: the same recordings
    as the second model takes them, for one of another rate or scale. labels: files of observed behaviour, one
    account of each animal, and how they are read.
    out: CSV file of every differing stretch. Each model takes its own window and hop; their answers are
    compared in time. Memory does not grow with the recordings. Raises UserError as `classify` does, for
    recordings that do not go together, and for a study without an integer model.
    """
    if out is not None:
        require_other(out, [*paths, *second_paths, *labels])
    if out is not None and out.suffix.lower() != ".csv":
        raise UserError(f"--out is {out}, but the differing stretches are written as CSV; name a .csv file.")
    models = classifiable_model(first), classifiable_model(second)
    card = _labelled_card(paths)
    if card is None:
        said = [read_behaviour(path, reading) for path in labels]
        tracks = [track for one in said for track in one.tracks]
        inputs = _recorded((first, second), models, (paths, second_paths or paths), options, tracks)
        inputs.notes.update({path.name: " ".join(one.notes) for path, one in zip(labels, said)})
    elif labels or second_paths:
        raise UserError(
            f"card {card.name} has labels, a rate and a scale of its own; leave --labels and --recordings-b "
            "out."
        )
    else:
        inputs = _labelled(card, models, data_root or first.data_root(None), int(first.manifest["seed"]))
    # Names are compared whatever their case.
    classes = models[0].outcomes, spelled_as(models[1].outcomes, models[0].outcomes)
    truths = spelled_as(inputs.truths, [*classes[0], *classes[1]])
    found: dict[str, Differences] = {}
    with ExitStack() as stack:
        write = None
        if out is not None:
            stream = stack.enter_context(replacing(out)).open("w", encoding="utf-8", newline="")
            rows = csv.writer(stack.enter_context(stream), lineterminator="\n")
            rows.writerow(COLUMNS)
            write = _writer(rows)
        advance = stack.enter_context(progress("Comparing", inputs.samples))
        for make in inputs.each:
            one = make(advance)
            differences = found.setdefault(
                one.animal,
                Differences(one.animal, *classes, truths, top, write),
            )
            differences.add(one.where, one.first, one.second, one.labels, one.stamped)
        if not any(each.time.sum() for each in found.values()):
            raise UserError("the two models share no time in these recordings; nothing can be compared.")
    facts = comparison_facts(list(found.values()), top)
    for key, study, model in (("a", first, models[0]), ("b", second, models[1])):
        facts[key] = {"run": str(study.path), **_model_facts(model)}
    same = models[0].sha256 == models[1].sha256
    return {**facts, "same_model": same, "simulated_data": inputs.simulated, "notes": inputs.notes,
            "out": None if out is None else str(out)}  # fmt: skip


def _writer(rows: Any) -> Callable[[Stretch], None]:
    return lambda stretch: rows.writerow(stretch.cells())


def _model_facts(model: IntegerModel) -> dict[str, Any]:
    return {
        "model_sha256": model.sha256,
        "classes": list(model.classes),
        "window": model.window,
        "hop": model.hop,
        "rate_hz": model.rate_hz,
        "model_of_simulated_data": model.simulated,
    }


def _labelled_card(paths: Sequence[Path]) -> Card | None:
    """Return the card of labelled data that the paths name; None where they are recordings."""
    cards = []
    for path in paths:
        if path.suffix.lower() == ".toml" and path.is_file() and not is_unlabelled_card(path):
            cards.append(load_card(str(path)))
        elif not path.suffix and not path.exists() and len(path.parts) == 1:
            cards.append(load_card(path.name))
    if cards and len(paths) > 1:
        raise UserError(
            f"card {cards[0].name} is of labelled data and is compared alone; leave the other paths out."
        )
    return cards[0] if cards else None


def _labelled(
    card: Card, models: tuple[IntegerModel, IntegerModel], data_root: Path | None, seed: int
) -> _Inputs:
    """Return the recordings of a card of labelled data, their labels with them.

    Each is of one behaviour. Where a model carries its state, all that was recorded without a gap is one
    instead, for the state comes from what was before.
    """
    for model, name in zip(models, ("A", "B")):
        if (card.rate_hz, card.counts_per_g) != (model.rate_hz, model.counts_per_g):
            raise UserError(
                f"card {card.name} gives {card.counts_per_g:g} counts per g at {card.rate_hz:g} Hz, but the "
                f"model of {name} takes {model.counts_per_g:g} at {model.rate_hz:g} Hz; name recordings and, "
                "with --recordings-b, the same ones as B takes them."
            )
    whole = any(model.stream for model in models)
    recordings: list[list[CountedRecording]] = []
    for one in load_counts(card, data_root, seed=seed, whole=whole):
        recordings[-1].append(one) if one.follows else recordings.append([one])

    def make(number: int, advance: Advance) -> _Input:
        parts = recordings[number]
        animal, counts = parts[0].animal, np.concatenate([one.counts for one in parts])
        advance(len(counts))
        said = [iter([_said(model, counts)]) for model in models]
        where = f"{card.name}, {'recording' if whole else 'segment'} {number}"
        return _Input(animal, where, said[0], said[1], _labels(card, parts), stamped=False)

    each = [_later(make, number) for number in range(len(recordings))]
    samples = sum(len(one.counts) for parts in recordings for one in parts)
    return _Inputs(each, samples, card.classes, {}, card.simulated)


def _labels(card: Card, parts: Sequence[CountedRecording]) -> Track:
    """Return the labels of recordings that follow each other, from the first one's first sample."""
    edges = np.cumsum([0, *(len(one.counts) for one in parts)])
    edges = np.rint(edges * (NS / card.rate_hz)).astype(np.int64)
    labels = np.array([one.label for one in parts])
    known = labels != NO_LABEL
    return Track(parts[0].animal, "label", card.classes, edges[:-1][known], edges[1:][known], labels[known])


def _later(make: Callable[[int, Advance], _Input], number: int) -> Callable[[Advance], _Input]:
    return lambda advance: make(number, advance)


def _said(model: IntegerModel, counts: NDArray[np.int16]) -> Said:
    """Return what a model says of samples (S, C) without stamps; a window stands for its hop."""
    classes = classify_stream(model, counts)
    edges = np.rint(np.arange(len(classes) + 1) * (model.hop * NS / model.rate_hz)).astype(np.int64)
    return Said(edges[:-1], edges[1:], classes)


def _recorded(
    studies: tuple[Study, Study],
    models: tuple[IntegerModel, IntegerModel],
    paths: tuple[Sequence[Path], Sequence[Path]],
    options: RecordingOptions,
    labels: Sequence[Track],
) -> _Inputs:
    """Return recordings without labels in them; labels are tracks of their own."""
    jobs = [
        classify_jobs(study, model, some, Path(), options)
        for study, model, some in zip(studies, models, paths)
    ]
    _check_pairs(*jobs)
    opened = [[_opened(model, job) for job in some] for model, some in zip(models, jobs)]
    _check_scales(models, opened)
    notes: dict[str, str] = {}
    truths = tuple(dict.fromkeys(name for track in labels for name in track.classes))
    of_animal = _labels_of(labels, truths, sorted({job.who for job in jobs[0]}))

    def make(number: int, advance: Advance) -> _Input:
        job = jobs[0][number]
        first, second = (
            _stream(name, model, some[number], recordings[number], notes, told)
            for name, model, some, recordings, told in zip("AB", models, jobs, opened, (advance, None))
        )
        return _Input(job.who, job.path.name, first, second, of_animal.get(job.who), stamped=True)

    each = [_later(make, number) for number in range(len(jobs[0]))]
    simulated = any(job.simulated for some in jobs for job in some)
    return _Inputs(each, sum(one.samples for one in opened[0]), truths, notes, simulated)


def _opened(model: IntegerModel, job: ClassifyJob) -> Recording:
    check_options(model, job)
    return open_recording(job.path, job.layout)


def _stream(
    name: str,
    model: IntegerModel,
    job: ClassifyJob,
    recording: Recording,
    notes: dict[str, str],
    advance: Advance | None,
) -> Iterator[Said]:
    """Yield what a model says of a recording; at its end note how its gravity goes with the model's."""
    counters, told = Counters(), 0
    for batch in classify_recording(model, recording, model.hop, counters, BLOCK):
        if advance is not None:
            advance(counters.samples - told)
            told = counters.samples
        yield Said(batch.starts, batch.ends, batch.classes)
    notes[f"{name}, {job.path.name}"] = check_orientation(job, recording, counters).note


def _check_pairs(first: Sequence[ClassifyJob], second: Sequence[ClassifyJob]) -> None:
    """Check that both models get the same animals' recordings, and that no name stands for two animals."""
    mine, theirs = ([job.who for job in some] for some in (first, second))
    if mine != theirs:
        raise UserError(
            f"A reads recordings of {listed(mine)}, B of {listed(theirs)}; name the same animals' recordings "
            "in the same order."
        )
    named: dict[str, Path] = {}
    for job in first:
        if job.individual is None and named.setdefault(job.who, job.path) != job.path:
            raise UserError(
                f"{named[job.who]} and {job.path} would have the same individual '{job.who}'; rename one."
            )


def _check_scales(models: tuple[IntegerModel, IntegerModel], opened: Sequence[Sequence[Recording]]) -> None:
    """Refuse files of bare counts for models of sensors that differ in scale: they would fit one of them."""
    scales = [model.counts_per_g for model in models]
    if scales[0] == scales[1]:
        return
    for one, other in zip(*opened):
        if one.path == other.path and one.units == "counts":
            raise UserError(
                f"{one.path}: its samples are counts, but A takes {scales[0]:g} per g and B {scales[1]:g}; "
                "give samples in g, or name B's with --recordings-b."
            )


def _labels_of(labels: Sequence[Track], truths: tuple[str, ...], animals: Sequence[str]) -> dict[str, Track]:
    found: dict[str, Track] = {}
    for track in labels:
        if not track.animal and len(animals) == 1:
            track = replace(track, animal=animals[0])
        if track.animal not in animals:
            raise UserError(
                f"{track.source}: labels of '{track.animal}', but the recordings are of {listed(animals)}; "
                "an animal without a card is named after its file."
            )
        if track.animal in found:
            raise UserError(
                f"{track.source}: a second account of '{track.animal}'; give one account of each animal."
            )
        found[track.animal] = track.with_classes(truths)
    return found
