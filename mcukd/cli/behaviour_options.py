"""Options shared by `mcukd agree` and `mcukd export`: how files of behaviour over time are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcukd.errors import UserError
from mcukd.text import did_you_mean, listed

if TYPE_CHECKING:
    from mcukd.annotations.reading import Reading

_LABELS, _TAG = "Labels", "Tag"

ObservationOption = Annotated[
    list[str] | None,
    typer.Option(
        "--observation",
        help="Of a BORIS file, take this observation; may be repeated. Default: all.",
        rich_help_panel=_LABELS,
        show_default=False,
    ),
]
SubjectOption = Annotated[
    list[str] | None,
    typer.Option(
        "--subject",
        metavar="NAME=ANIMAL",
        help="A subject of the file is this animal; may be repeated.",
        rich_help_panel=_LABELS,
        show_default=False,
    ),
]
MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="BEHAVIOUR=CLASS",
        help="A behaviour of the file is this class, or left out (BEHAVIOUR=); may be repeated.",
        rich_help_panel=_LABELS,
        show_default=False,
    ),
]
LeaveOutOption = Annotated[
    bool,
    typer.Option(
        "--leave-out", help="Leave out behaviours that are none of the classes.", rich_help_panel=_LABELS
    ),
]
TimezoneOption = Annotated[
    str | None,
    typer.Option(
        "--timezone",
        "--labels-timezone",
        metavar="ZONE",
        help="Zone of local times: Europe/London, +02:00, UTC.",
        rich_help_panel=_LABELS,
        show_default=False,
    ),
]
UnitOption = Annotated[
    str | None,
    typer.Option(
        "--labels-unit",
        help="Unit of times that are numbers: s, ms, excel …",
        rich_help_panel=_LABELS,
        show_default=False,
    ),
]
BaseOption = Annotated[
    str | None,
    typer.Option(
        "--labels-base",
        metavar="start|media|day|epoch",
        help="What the seconds of BORIS's events count from: the observation's date, that and its time "
        "offset, midnight, 1970.",
        rich_help_panel=_LABELS,
        show_default=False,
    ),
]
HoldOption = Annotated[
    str | None,
    typer.Option(
        "--labels-hold",
        metavar="next",
        help="Labels without an end hold up to the next.",
        rich_help_panel=_LABELS,
        show_default=False,
    ),
]
DayFirstOption = Annotated[
    bool | None,
    typer.Option(
        "--day-first/--month-first",
        help="What comes first in dates like 03/04/2026.",
        rich_help_panel=_LABELS,
        show_default=False,
    ),
]
BeginsOption = Annotated[
    str | None,
    typer.Option(
        "--begins",
        metavar="ISO",
        help="Moment from which times without a date, or payloads, count: 2026-05-01T06:30:00+02:00.",
        show_default=False,
    ),
]
AnimalOption = Annotated[
    str, typer.Option("--animal", help="Animal of a file that names none.", show_default=False)
]
WindowOption = Annotated[
    float | None,
    typer.Option(
        "--window",
        metavar="S",
        min=0.001,
        help="Seconds of the model's window, where no study says it.",
        rich_help_panel=_TAG,
        show_default=False,
    ),
]
SmoothingOption = Annotated[
    int,
    typer.Option(
        "--smoothing",
        metavar="K",
        min=1,
        help="Of how many results the tag takes the majority, as in its board file; the delay is corrected.",
        rich_help_panel=_TAG,
    ),
]
OffsetOption = Annotated[
    float | None,
    typer.Option(
        "--offset", metavar="S", help="Add to the tag's times.", rich_help_panel=_TAG, show_default=False
    ),
]
DriftOption = Annotated[
    float,
    typer.Option(
        "--drift", metavar="PPM", help="How much too fast the tag's clock runs.", rich_help_panel=_TAG
    ),
]


def pairs_of(flag: str, texts: Sequence[str] | None) -> dict[str, str]:
    """Return the pairs of texts like NAME=VALUE. Raises UserError for one without a mark, and for one
    twice."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, mark, value = text.partition("=")
        if not mark or not name.strip():
            raise UserError(f"{flag} is {text!r}, but NAME=VALUE is expected.")
        if name.strip() in found:
            raise UserError(f"{flag} names {name.strip()!r} twice; give it once.")
        found[name.strip()] = value.strip()
    return found


def moment_of(flag: str, text: str | None) -> float | None:
    """Return seconds since 1970 of a moment in ISO 8601. Raises UserError where it does not say its
    offset."""
    from datetime import datetime

    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise UserError(
            f"{flag} is {text!r}, but a moment with its offset from UTC like 2026-05-01T06:30:00+02:00 is "
            "expected."
        )
    return moment.timestamp()


def reading_of(**options: Any) -> Reading:
    """Return how files are read. Raises UserError for pairs, moments and names of a choice that are none."""
    from mcukd.annotations.reading import Reading
    from mcukd.data.importer.boris_clock import BASES
    from mcukd.data.importer.label_points import BURST, NEXT

    for flag, value, known in (
        ("--labels-base", options["base"], BASES),
        ("--labels-hold", options["hold"], (BURST, NEXT)),
    ):
        if value is not None and value not in known:
            raise UserError(
                f"{flag} is {value!r}{did_you_mean(value, known)}; expected is one of {listed(known)}"
            )

    return Reading(
        mapping=pairs_of("--map", options.pop("mapping", None)),
        animals=pairs_of("--subject", options.pop("subject", None)),
        observations=tuple(options.pop("observation", None) or ()),
        begins=moment_of("--begins", options.pop("begins")),
        **options,
    )
