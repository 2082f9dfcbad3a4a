"""Findings of a check: sentences from facts about the data, with what they do to training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mcukd.data.card import Card
from mcukd.data.quality import row_faults
from mcukd.data.quality.finding import Finding
from mcukd.data.quality.label_findings import alike_labels, labels, mixed
from mcukd.data.quality.overlap import Pair
from mcukd.data.quality.survey import Survey
from mcukd.data.recordings import GRAVITY_BAND, RATE_TOLERANCE, is_faulty, source_window, to_g
from mcukd.data.resample import band_limit
from mcukd.text import listed, plural, share

RATE_NOTE, JITTER_NOTE = 0.02, 0.10
CLIPPED_SHARE, CLIPPED_VALUES = 1e-3, 10
REST_NOTE = 0.05
LOST_SHARE = 0.05
_ORDER = {"problem": 0, "warning": 1, "note": 2}
Animals = Mapping[str, dict[str, Any]]


def find(card: Card, survey: Survey, animals: Animals, alike: Sequence[Pair], axis: str) -> list[Finding]:
    """Return all findings, problems first."""
    found = [
        *_contract(card, animals, axis),
        *_rates(card, animals),
        *_times(animals),
        *row_faults.findings(animals),
        *_clipping(card, animals),
        *_calibration(animals),
        *_axes(card, survey, animals, axis),
        *_copies(survey, animals),
        *labels(card, survey, animals),
        *mixed(animals),
        *alike_labels(card, alike),
    ]
    return sorted(found, key=lambda one: _ORDER[one.weight])


def gravity_axis(animals: Animals) -> str:
    """Return the axis that carries gravity in most animals, with its sign, as "-z"."""
    votes = [_axis_of(np.array(facts["gravity"])) for facts in animals.values()]
    return max(sorted(set(votes)), key=votes.count) if votes else ""


def _axis_of(vector: Any) -> str:
    place = int(np.argmax(np.abs(vector)))
    return ("-" if vector[place] < 0 else "+") + "xyz"[place]


def _contract(card: Card, animals: Animals, axis: str) -> Iterator[Finding]:
    medians = [facts["median_g"] for facts in animals.values()]
    length = float(np.median(medians)) if medians else float("nan")
    yield Finding(
        "units",
        "note",
        f"read as {card.signal.units}, the acceleration is {length:.3g} g long in the median over animals",
        "about 1 g is what a worn sensor reads, so units and gravity are as the model expects"
        if GRAVITY_BAND[0] < length < GRAVITY_BAND[1]
        else "the card's units are wrong or gravity was removed: nothing trained on this runs on a tag",
    )
    if axis:
        values = [facts["gravity"]["xyz".index(axis[1])] for facts in animals.values()]
        yield Finding(
            "gravity-axis",
            "note",
            f"gravity lies mostly on {axis[1]}, which reads {np.mean(values):+.2f} g on average over animals",
            "the tag must be mounted so that the same axis reads the same, or the model sees another posture",
        )
    for name, facts in animals.items():
        if not GRAVITY_BAND[0] < facts["median_g"] < GRAVITY_BAND[1]:
            yield Finding(
                "gravity",
                "problem",
                f"animal {name}: the median length of the acceleration is {facts['median_g']:.3g} g "
                "where about 1 g is "
                f"expected",
                "training refuses it, for its units or its sensor are not those of the card",
                name,
                abs(facts["median_g"] - 1),
            )


def _rates(card: Card, animals: Animals) -> Iterator[Finding]:
    stated = card.signal.rate_hz
    known = {name: facts["rate_hz"] for name, facts in animals.items() if facts["rate_hz"]}
    if not known:
        yield Finding(
            "rate",
            "note",
            f"the recordings have no stamps, so the card's rate of {stated:g} Hz cannot be checked",
            "at another rate every rhythm would seem faster or slower than it is on the tag",
        )
    else:
        low, high = min(known.values()), max(known.values())
        spread = f"{low:g} Hz" if high / low < 1.001 else f"{low:g} to {high:g} Hz"
        yield Finding(
            "rate",
            "note",
            f"stamps give {spread}, and the card says {stated:g} Hz",
            f"a window of {card.window} samples lasts {card.window / card.rate_hz:g} s",
        )
    for name, rate in known.items():
        off = rate / stated - 1
        if abs(off) > RATE_NOTE:
            yield Finding(
                "rate",
                "problem" if abs(off) > RATE_TOLERANCE else "warning",
                f"animal {name}: stamps give {rate:.4g} Hz, {off:+.1%} off the card's {stated:g} Hz",
                "its rhythms seem faster or slower than they are; more than 10 % is refused in training",
                name,
                abs(off),
            )
        jitter = animals[name]["jitter"]
        if jitter is not None and jitter > JITTER_NOTE:
            yield Finding(
                "jitter",
                "warning",
                f"animal {name}: steps between stamps scatter by ±{jitter:.0%} of the usual one",
                "samples are taken as evenly spaced, so fast movements are smeared; coarse stamps alone "
                "do no harm",
                name,
                jitter,
            )
    limit = band_limit(card.signal)
    if limit:
        yield Finding("band-limit", "warning", limit, "a model may meet on the tag what it never saw")


def _times(animals: Animals) -> Iterator[Finding]:
    for name, facts in animals.items():
        if facts["backwards"]:
            yield Finding(
                "backwards",
                "problem",
                f"animal {name}: time runs backwards {facts['backwards']} times",
                "training refuses it; sort the rows, or import again with --sort or --timezone",
                name,
                facts["backwards"],
            )
        if facts["gaps"]:
            lost = facts["lost_to_gaps_rows"]
            yield Finding(
                "gaps",
                "warning" if facts["lost_to_gaps_share"] > LOST_SHARE else "note",
                f"animal {name}: {plural(facts['gaps'], 'gap')} with "
                f"{facts['missing_s']:g} s missing, the longest step {facts['longest_gap_s']:g} s; "
                + (
                    f"{'it costs' if facts['gaps'] == 1 else 'they cost'} {plural(lost, 'row')} = "
                    f"{facts['lost_to_gaps_s']:g} s = "
                    f"{share(facts['lost_to_gaps_share'])} of the labelled rows "
                    f"({plural(facts['lost_to_gaps_windows'], 'window')})"
                    if lost > 0
                    else "no labelled row is lost to them"
                ),
                "recordings are cut there and no window spans one; what is shorter than a window is lost",
                name,
                facts["lost_to_gaps_rows"] + facts["missing_s"] / 1e6,
            )
        if facts["hitches"]:
            yield Finding(
                "hitches",
                "note",
                f"animal {name}: {facts['hitches']} long steps between stamps are no gaps, as the samples "
                "are there or hardly any is missing",
                "recordings go on there, and nothing is lost",
                name,
                facts["hitches"],
            )
        if facts["duplicate_rows"]:
            part = facts["duplicate_rows"] / facts["samples"]
            yield Finding(
                "repeated",
                "warning",
                f"animal {name}: {facts['duplicate_rows']:,} rows = {share(part)} stand twice, stamp and "
                "values",
                "it puts hitches into the windows that hold them; remove the second ones",
                name,
                part,
            )


def _clipping(card: Card, animals: Animals) -> Iterator[Finding]:
    for name, facts in animals.items():
        if facts["at_greatest"] >= CLIPPED_VALUES:
            yield Finding(
                "clipping",
                "warning",
                f"animal {name}: {facts['at_greatest']} values lie exactly at ±{facts['greatest_g']:g} "
                "g, the end of "
                f"the recording sensor's range",
                "the strongest movements are cut off; a board with a wider range gives values the model "
                "never saw",
                name,
                facts["at_greatest"],
            )
        if facts["beyond_range"] > CLIPPED_SHARE:
            yield Finding(
                "range",
                "warning",
                f"animal {name}: {facts['beyond_range']:.2%} of the vectors are longer than the "
                f"±{card.signal.range_g:g} "
                f"g that the card states of the board",
                "they are clipped in training as on the board; a wider signal.range_g keeps them",
                name,
                facts["beyond_range"],
            )


def _calibration(animals: Animals) -> Iterator[Finding]:
    for name, facts in animals.items():
        if facts["constant_axes"]:
            yield Finding(
                "constant",
                "problem",
                f"animal {name}: axis {listed(facts['constant_axes'])} never changes",
                "a dead axis teaches the model to tell this animal from the others, not behaviours",
                name,
            )
        rest = facts["rest_g"]
        if rest is not None and facts["rest_stretches"] >= 5 and abs(rest - 1) > REST_NOTE:
            detail = ""
            if facts["offset_mg"] is not None:
                gain = _triple(facts["gain_error_percent"])
                detail = f" (offset {_triple(facts['offset_mg'])} mg, gain {gain} %)"
            yield Finding(
                "calibration",
                "warning",
                f"animal {name}: at rest the sensor reads {rest:.3f} g{detail}",
                "postures shift between sensors by as much; train with scale augmentation, or calibrate "
                "first",
                name,
                abs(rest - 1),
            )


def _axes(card: Card, survey: Survey, animals: Animals, axis: str) -> Iterator[Finding]:
    directions = {name: np.array(facts["gravity"]) for name, facts in animals.items()}
    for name, vector in directions.items():
        length = float(np.linalg.norm(vector))
        if not axis:
            continue
        yield from _turned_recordings(card, survey, name, axis)
        if length < 0.5:
            continue
        own = _axis_of(vector)
        along = vector["xyz".index(axis[1])] * (1 if axis[0] == "+" else -1)
        if own[1] == axis[1] and own != axis:
            yield Finding(
                "flip",
                "warning",
                f"animal {name}: {axis[1]} reads {vector['xyz'.index(axis[1])]:+.2f} g where most "
                "animals have it the "
                f"other way round: an axis flip, or a sensor mounted upside down",
                f"held out, its postures are upside down to a model of mounting {card.signal.mounting!r}",
                name,
            )
        elif own[1] != axis[1] and abs(along) < 0.5:
            yield Finding(
                "swap",
                "warning",
                f"animal {name}: gravity lies on {own} where most animals have it on {axis}: swapped "
                "axes or another "
                f"mounting",
                'its postures mean something else to the model; set mounting to "any", or correct its axes',
                name,
            )


def _turned_recordings(card: Card, survey: Survey, name: str, axis: str) -> Iterator[Finding]:
    """Recordings of one animal that have gravity the other way round than its others."""
    one_g = 1.0 / float(to_g(card, np.ones(1))[0])
    window = source_window(card)
    places = [place for place in survey.animals[name].places if place.samples >= window]
    odd = [
        place
        for place in places
        if is_faulty(place.median_length / one_g, place.samples / card.signal.rate_hz)
    ]
    if odd:
        index = card.class_map.index()
        seen = any(index.get(label) is not None for place in odd for label in place.labels)
        yield Finding(
            "faulty",
            "problem" if seen else "note",
            f"animal {name}: {len(odd)} of {len(places)} recordings are far from 1 g in the median (first: "
            f"{odd[0].origin}, {odd[0].median_length / one_g:.3g} g)",
            "training refuses them; leave them out in [source], for a faulty sensor teaches nonsense"
            if seen
            else "their labels are ignored, so training does not see them, but the figures of this check do",
            name,
            len(odd),
        )
    along = np.array([place.mean["xyz".index(axis[1])] for place in places]) / one_g
    up, down = along > 0.5, along < -0.5
    fewer = up if up.sum() <= down.sum() else down
    if fewer.any() and (up | down).sum() >= 3:
        first = places[int(np.argmax(fewer))]
        yield Finding(
            "flip",
            "warning",
            f"animal {name}: {int(fewer.sum())} of its {len(places)} recordings have {axis[1]} the "
            "other way round than "
            f"its others (first: {first.origin})",
            "the sensor was turned or remounted between deployments, so one behaviour has two postures",
            name,
        )


def _copies(survey: Survey, animals: Animals) -> Iterator[Finding]:
    if survey.copies:
        first, number = survey.copies[0], len(survey.copies)
        yield Finding(
            "copies",
            "problem",
            f"{number} recording{' is a copy' if number == 1 else 's are copies'} of another, sample for "
            f"sample (first: {first[1]} of {first[0]})",
            "it counts twice, and on both sides of a split it is recognised, not classified, so that the "
            "score flatters; remove it",
        )
    by_key: dict[str, list[str]] = {}
    for name in animals:
        by_key.setdefault("".join(c for c in name.casefold() if c.isalnum()).lstrip("0"), []).append(name)
    for names in by_key.values():
        if len(names) > 1:
            yield Finding(
                "animals",
                "warning",
                f"the animals {listed(names)} have nearly the same name and may be one",
                "one animal under two names is in training and test at once, and the score flatters",
            )


def _triple(values: Sequence[float]) -> str:
    return " / ".join(f"{value:+g}" for value in values)
