"""Values of a card inferred from the samples: units, rate, range, axes, classes, windows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mcukd.data.gaps import Cut
from mcukd.data.importer.classes import labels_by_class, learnable, refuse_short_animals, window_length
from mcukd.data.importer.columns import ONE_G, units_of
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.sensor import board_sensor
from mcukd.data.quality.survey import AnimalSurvey, Survey
from mcukd.data.recordings import GRAVITY_BAND, RATE_TOLERANCE
from mcukd.data.resample import resampling
from mcukd.errors import UserError

#: Usual scales of sensors in counts per g.
SCALES = (64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
#: e-obs tags: 0.0027, 0.0022 and 1/512 g per count at low sensitivity, 0.001 at high, by generation
#: (manufacturer's manual, as given in Movebank's attribute dictionary).
EOBS_SCALES = (1 / 0.0027, 1 / 0.0022, 512.0, 1000.0)
_COMPARE = "a guess: 'mcukd data check CARD --mounting' compares aligned, turned and any"


@dataclass(frozen=True)
class InferredCard:
    """What a card will say of the signal and the classes."""

    units: str
    recorded_counts_per_g: float | None
    rate_hz: float
    range_g: float
    counts_per_g: float
    mounting: str
    meanings: tuple[str, str, str]
    classes: tuple[str, ...]
    merge: dict[str, list[str]]
    ignore: list[str]
    window: int
    hop: int
    train_hop: int
    ignored_because: dict[str, str] = field(default_factory=dict)
    sensor_origin: str = ""


def infer_card(
    survey: Survey,
    options: Options,
    dialog: Dialog,
    *,
    eobs: bool = False,
    fixed: tuple[int, float] | None = None,
) -> InferredCard:
    """Work out what the card says; UserError for what contradicts itself and what nobody answers.

    fixed: window length in samples and rate in Hz where the source has its windows cut.
    """
    if not survey.animals:
        raise UserError("the files hold no sample of any animal that is not excluded; check --exclude-animal")
    units, recorded = _units(survey, options, dialog, eobs)
    one_g = recorded if recorded is not None else ONE_G[units]
    _check_animals_agree(survey, units, one_g)
    refuse_short_animals(survey, options)
    rate = fixed[1] if fixed else _rate(survey, options, dialog)
    sensor = board_sensor(survey, options, dialog, one_g, options.resample_hz or rate)
    mounting, meanings = _mounting(survey, one_g, dialog)
    labels, merge = labels_by_class(survey, options, dialog)
    board_rate = options.resample_hz or rate
    window = fixed[0] if fixed else window_length(survey, options, dialog, labels, board_rate, rate)
    cut = Cut(window, window, resampling(options.resample_hz, rate))
    classes, ignore, because = learnable(survey, options, dialog, labels, cut)
    return InferredCard(
        units=units,
        recorded_counts_per_g=recorded,
        rate_hz=rate,
        range_g=sensor.range_g,
        counts_per_g=sensor.counts_per_g,
        sensor_origin=sensor.origin,
        mounting=mounting,
        meanings=meanings,
        classes=classes,
        merge={name: spellings for name, spellings in merge.items() if name in classes and spellings},
        ignore=ignore,
        window=window,
        hop=window,
        train_hop=window if fixed else max(1, window // 2),
        ignored_because=because,
    )


def infer_unlabelled_signal(
    survey: Survey, options: Options, dialog: Dialog, *, eobs: bool = False
) -> tuple[str, float | None, float]:
    """Work out units, counts per g (None where the units are others) and rate of recordings without labels.

    Raises UserError as `infer_card` does.
    """
    if not survey.animals:
        raise UserError("the files hold no sample of any animal that is not excluded; check --exclude-animal")
    units, recorded = _units(survey, options, dialog, eobs)
    _check_animals_agree(survey, units, recorded if recorded is not None else ONE_G[units])
    return units, recorded, _rate(survey, options, dialog)


def _units(survey: Survey, options: Options, dialog: Dialog, eobs: bool) -> tuple[str, float | None]:
    length = survey.median_length
    if options.counts_per_g is not None or options.units == "counts" or (eobs and options.units is None):
        return "counts", _scale(length, options, dialog, eobs)
    if options.units is not None:
        if not GRAVITY_BAND[0] < length / ONE_G[options.units] < GRAVITY_BAND[1]:
            fits = units_of(length)
            hint = (
                f'; "{fits}" would fit'
                if fits
                else "; they look like raw counts: --units counts"
                if length > 50
                else ""
            )
            raise UserError(
                f"--units says {options.units}, but the median length of the acceleration is "
                f"{length:.4g}, which is "
                f"{length / ONE_G[options.units]:.3g} g where about 1 g is expected{hint}"
            )
        dialog.note(f"units: {options.units}, as you say")
        return options.units, None
    units = units_of(length)
    if units is not None:
        dialog.note(
            f"units: {units}, for the median length of the acceleration is {length:.4g}, which is about 1 g"
        )
        if units == "mg" and all(one.whole_numbers for one in survey.animals.values()):
            dialog.note(
                "units: whole numbers near 1000 may also be counts at 1024 per g; if the sensor's sheet "
                "says so, "
                "give --counts-per-g 1024"
            )
        return units, None
    if length < 0.5:
        raise UserError(
            f"the median length of the acceleration is {length:.3g}, too little for any unit with "
            "gravity in it: "
            f"gravity seems to have been removed, and mcukd needs the total acceleration; export that"
        )
    if length < 50:
        raise UserError(
            f"the median length of the acceleration is {length:.4g}, which is about 1 g in none of g, "
            "m/s2 and mg; "
            f"check the columns with --acceleration, or say the scale with --counts-per-g"
        )
    return "counts", _scale(length, options, dialog, eobs)


def _scale(length: float, options: Options, dialog: Dialog, eobs: bool) -> float:
    if options.counts_per_g is not None:
        ratio = length / options.counts_per_g
        if not GRAVITY_BAND[0] < ratio < GRAVITY_BAND[1]:
            raise UserError(
                f"--counts-per-g is {options.counts_per_g:g}, but the median length of the acceleration is "
                f"{length:.4g} counts, which is {ratio:.3g} g where about 1 g is expected; correct it "
                "or --offset"
            )
        dialog.note(f"units: raw counts, {options.counts_per_g:g} per g as you say")
        return options.counts_per_g
    near = min(EOBS_SCALES if eobs else SCALES, key=lambda scale: abs(np.log(length / scale)))
    if not 0.9 < length / near < 1.1:
        answer = dialog.choose(
            f"the median length of the acceleration is {length:.4g}, as of raw counts, but near no "
            "usual scale",
            "--counts-per-g",
        )
        try:
            return float(answer)
        except ValueError:
            raise UserError(f"--counts-per-g is {answer!r} where a number is expected") from None
    dialog.note(
        f"units: raw counts, {near:.5g} per g, for the median length of the acceleration is "
        f"{length:.4g} counts and "
        f"this is the nearest usual scale; --counts-per-g states another"
    )
    return float(near)


def _check_animals_agree(survey: Survey, units: str, one_g: float) -> None:
    for name, one in survey.animals.items():
        length = one.median_length / one_g
        if not GRAVITY_BAND[0] < length < GRAVITY_BAND[1]:
            fits = units_of(one.median_length)
            hint = f', as of samples in "{fits}"' if fits and fits != units else ""
            raise UserError(
                f"animal {name} ({one.origin}): the median length of the acceleration is {length:.3g} g "
                "where the "
                f"others have about 1 g{hint}; bring it to the units of the others, or leave it out with "
                f"--exclude-animal {name}"
            )
        if one.constant:
            raise UserError(
                f"animal {name} ({one.origin}): axis {'xyz'[one.constant[0]]} never changes from "
                f"{one.low[one.constant[0]]:g}, so the sensor or the export is faulty; repair it, or "
                "leave the "
                f"animal out with --exclude-animal {name}"
            )
        if one.backwards:
            raise UserError(
                f"animal {name} ({one.origin}): time runs backwards {one.backwards} times; sort the "
                "rows with --sort, "
                f"or, where summer time ended, name the zone with --timezone"
            )


def _rate(survey: Survey, options: Options, dialog: Dialog) -> float:
    rates = {name: 1 / one.step for name, one in survey.animals.items() if one.step}
    if not rates:
        if options.rate_hz is None:
            return stated_rate(dialog)
        dialog.note(f"rate: {options.rate_hz:g} Hz, as you say")
        return options.rate_hz
    usual = float(np.median(list(rates.values())))
    for name, rate in rates.items():
        if abs(rate / usual - 1) > RATE_TOLERANCE:
            others = {other: one for other, one in rates.items() if other != name}
            # The median of few animals may be the rate of none.
            other = min(others, key=lambda one: abs(np.log(others[one] / usual)))
            raise UserError(
                f"animal {name} ({survey.animals[name].origin}) has {rate:.4g} samples per second, and "
                f"{other} ({survey.animals[other].origin}) has {rates[other]:.4g}; one card is of one rate: "
                "import one of them apart, and leave it out here with --exclude-animal, like "
                f"--exclude-animal {name}"
            )
    if options.rate_hz is not None:
        if abs(options.rate_hz / usual - 1) > RATE_TOLERANCE:
            raise UserError(
                f"--rate says {options.rate_hz:g} Hz, but the stamps give {usual:.4g} samples per "
                "second; correct it, "
                f"or state the time column with --time-column"
            )
        return options.rate_hz
    rounded = next(
        (
            step
            for step in (round(usual), round(usual, 1), round(usual, 2))
            if step and abs(step / usual - 1) < 0.01
        ),
        usual,
    )
    dialog.note(f"rate: {rounded:g} Hz, for the usual step between stamps is {1000 / usual:.4g} ms")
    return float(rounded)


def stated_rate(dialog: Dialog) -> float:
    """Ask for the rate in samples per second; UserError where the answer is none."""
    return dialog.number("no stamps tell the sampling rate", "--rate HZ")


def gravity_of(one: AnimalSurvey) -> np.ndarray:
    """Return the mean direction of gravity (3,), length 1: at rest where seen, else over all samples."""
    rest = one.rest()
    vector = rest.mean(axis=0) if len(rest) >= 5 else sum((p.total for p in one.places), np.zeros(3))
    length = float(np.linalg.norm(vector))
    direction: np.ndarray = vector / length if length > 0 else vector
    return direction


def _mounting(survey: Survey, one_g: float, dialog: Dialog) -> tuple[str, tuple[str, str, str]]:
    directions = {name: gravity_of(one) for name, one in survey.animals.items()}
    mean = np.mean(list(directions.values()), axis=0)
    axis = int(np.argmax(np.abs(mean)))
    spread = {
        name: float(
            np.degrees(np.arccos(np.clip(direction @ mean / max(float(np.linalg.norm(mean)), 1e-9), -1, 1)))
        )
        for name, direction in directions.items()
    }
    farthest = max(spread, key=lambda name: spread[name])
    sign = "+" if mean[axis] > 0 else "−"
    if spread[farthest] < 60 and float(np.linalg.norm(mean)) > 0.5:
        mounting = "turned"
        dialog.note(
            f"gravity: mostly on {'xyz'[axis]}, which reads {sign}{abs(mean[axis]):.2f} g on average; "
            "every animal "
            f"within {spread[farthest]:.0f}° of it, so the mounting is taken as the same way up; {_COMPARE}"
        )
    else:
        mounting = "any"
        dialog.note(
            f"gravity: mostly on {'xyz'[axis]} ({sign}{abs(mean[axis]):.2f} g on average), but "
            f"{farthest} differs by "
            f"{spread[farthest]:.0f}°, so the mounting is taken as any; {_COMPARE}"
        )
    meanings = ["orientation not known to the import"] * 3
    meanings[axis] = f"gravity axis: reads {sign}{abs(mean[axis]):.2f} g on average"
    return mounting, (meanings[0], meanings[1], meanings[2])
