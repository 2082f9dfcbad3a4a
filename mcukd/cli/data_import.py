"""Command `mcukd data import`: a card for one's own recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mcukd.cli.common import JsonOption, print_json

if TYPE_CHECKING:
    from mcukd.boards.model import Board
    from mcukd.data.importer.options import BoardAccelerometer

_COLUMNS, _SIGNAL, _LABELS = "Columns", "Signal", "Behaviours and animals"


def import_data(
    path: Annotated[Path, typer.Argument(help="File or folder of recordings.")],
    name: Annotated[str | None, typer.Option("--name", help="Name of the card. Default: the path's.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for card and Parquet. Default: NAME here.")
    ] = None,
    acceleration: Annotated[
        str | None,
        typer.Option(
            "--acceleration",
            metavar="X,Y,Z",
            help="The three columns with the acceleration.",
            rich_help_panel=_COLUMNS,
        ),
    ] = None,
    time_column: Annotated[
        str | None,
        typer.Option(
            "--time-column",
            help="Column with the time stamps; 'none' ignores those that are there.",
            rich_help_panel=_COLUMNS,
        ),
    ] = None,
    time_unit: Annotated[
        str | None,
        typer.Option(
            "--time-unit",
            help="Unit of time stamps that are numbers: s, ms, us, ns, counter (with --rate), excel, matlab, "
            "julian, gps and others.",
            rich_help_panel=_COLUMNS,
        ),
    ] = None,
    label_column: Annotated[
        str | None,
        typer.Option("--label-column", help="Column with the behaviours.", rich_help_panel=_COLUMNS),
    ] = None,
    animal_column: Annotated[
        str | None,
        typer.Option("--animal-column", help="Column with the animals.", rich_help_panel=_COLUMNS),
    ] = None,
    animal_from: Annotated[
        str | None,
        typer.Option(
            "--animal-from",
            metavar="PART",
            help="Part of the path that names the animal: folder, 'folder 2', file or 'file 1'.",
            rich_help_panel=_LABELS,
        ),
    ] = None,
    label_from: Annotated[
        str | None,
        typer.Option(
            "--label-from",
            metavar="PART",
            help="Part of the path that names the behaviour, written in the same way.",
            rich_help_panel=_LABELS,
        ),
    ] = None,
    unlabelled: Annotated[
        bool,
        typer.Option(
            "--unlabelled",
            help="The recordings have no labels; make what 'mcukd classify' reads.",
            rich_help_panel=_LABELS,
        ),
    ] = False,
    timezone: Annotated[
        str | None,
        typer.Option(
            "--timezone",
            help="Time zone of stamps that do not state one, such as Europe/London.",
            rich_help_panel=_COLUMNS,
        ),
    ] = None,
    day_first: Annotated[
        bool | None,
        typer.Option(
            "--day-first/--month-first",
            help="What comes first in dates like 03/04/2024.",
            rich_help_panel=_COLUMNS,
        ),
    ] = None,
    year_first: Annotated[
        bool,
        typer.Option(
            "--year-first", help="The year comes first in dates like 24-05-15.", rich_help_panel=_COLUMNS
        ),
    ] = False,
    sort: Annotated[
        bool, typer.Option("--sort", help="Sort rows by animal and time.", rich_help_panel=_COLUMNS)
    ] = False,
    units: Annotated[
        str | None,
        typer.Option(
            "--units", help="Unit of the acceleration: g, m/s2, mg or counts.", rich_help_panel=_SIGNAL
        ),
    ] = None,
    rate: Annotated[
        float | None, typer.Option("--rate", min=0.01, help="Samples per second.", rich_help_panel=_SIGNAL)
    ] = None,
    resample: Annotated[
        float | None,
        typer.Option(
            "--resample",
            min=0.01,
            help="Samples per second of your board; the recordings are resampled to it.",
            rich_help_panel=_SIGNAL,
        ),
    ] = None,
    board: Annotated[
        str | None,
        typer.Option(
            "--board",
            metavar="NAME|TOML",
            help="Take range and counts per g from the sensor of this board, such as collar.",
            rich_help_panel=_SIGNAL,
        ),
    ] = None,
    range_g: Annotated[
        float | None,
        typer.Option("--range", min=0.1, help="Range of your board's sensor, in g.", rich_help_panel=_SIGNAL),
    ] = None,
    counts_per_g: Annotated[
        float | None,
        typer.Option("--counts-per-g", min=0.1, help="Scale of raw counts.", rich_help_panel=_SIGNAL),
    ] = None,
    offset: Annotated[
        float | None,
        typer.Option(
            "--offset", help="Raw count that stands for 0 g, for e-obs tags.", rich_help_panel=_SIGNAL
        ),
    ] = None,
    window: Annotated[
        float | None,
        typer.Option("--window", min=0.01, help="Length of a window, in seconds.", rich_help_panel=_SIGNAL),
    ] = None,
    position: Annotated[
        str | None,
        typer.Option(
            "--position", help="Where the tag sits: collar, eartag or other.", rich_help_panel=_SIGNAL
        ),
    ] = None,
    simulated: Annotated[
        bool | None,
        typer.Option(
            "--simulated/--recorded",
            help="Whether no animal wore the sensor. Default: as a card over the files says, else recorded.",
            show_default=False,
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option("--label", help="The one behaviour of all recordings.", rich_help_panel=_LABELS),
    ] = None,
    animal: Annotated[
        str | None,
        typer.Option("--animal", help="The one animal of all recordings.", rich_help_panel=_LABELS),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes",
            metavar="A,B",
            help="Behaviours to keep; all others are left out.",
            rich_help_panel=_LABELS,
        ),
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="OLD=NEW",
            help="Count the label OLD as the class NEW; may be repeated.",
            rich_help_panel=_LABELS,
        ),
    ] = None,
    exclude_animal: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude-animal", help="Leave out this animal; may be repeated.", rich_help_panel=_LABELS
        ),
    ] = None,
    labels_table: Annotated[
        Path | None,
        typer.Option(
            "--labels-table",
            help="A table with start, end, behaviour and animal, such as an export of BORIS.",
            rich_help_panel=_LABELS,
        ),
    ] = None,
    labels_timezone: Annotated[
        str | None,
        typer.Option(
            "--labels-timezone",
            help="Time zone of the labels' times. Default: --timezone.",
            rich_help_panel=_LABELS,
        ),
    ] = None,
    labels_unit: Annotated[
        str | None,
        typer.Option(
            "--labels-unit",
            help="Unit of the labels' times, where they are numbers: s, ms, excel …",
            rich_help_panel=_LABELS,
        ),
    ] = None,
    labels_hold: Annotated[
        str | None,
        typer.Option(
            "--labels-hold",
            metavar="burst|next",
            help="Labels without an end hold for the burst that begins with them, or up to the next.",
            rich_help_panel=_LABELS,
        ),
    ] = None,
    labels_base: Annotated[
        str | None,
        typer.Option(
            "--labels-base",
            metavar="start|media|day|epoch",
            help="What the seconds of BORIS's events count from: the observation's date, that and its time "
            "offset, midnight, 1970.",
            rich_help_panel=_LABELS,
        ),
    ] = None,
    labels_from_start: Annotated[
        bool,
        typer.Option(
            "--labels-from-start",
            help="Labels count seconds from each animal's first sample.",
            rich_help_panel=_LABELS,
        ),
    ] = False,
    features: Annotated[
        bool, typer.Option("--features", help="It is a table of features, for a classifier head.")
    ] = False,
    convert: Annotated[bool, typer.Option("--convert", help="Convert to Parquet in any case.")] = False,
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Take the answer to a question that is clearly the likeliest."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Find out what recordings hold, and write a card (a text file that describes them) for training.

    It reads CSV and similar tables with any columns, Parquet, UCI HAR, Movebank and e-obs, Axivity CWA and
    ActiGraph GT3X. It asks what it cannot know; without a terminal it names the option that says it.

    Example: [bold]mcukd data import recordings/ --map Lying=resting --map Standing=resting[/bold]

    Example: [bold]mcukd data import herd/ --animal-from folder --board collar[/bold]

    Example: [bold]mcukd data import summer/ --unlabelled --out summer-2025[/bold]
    """
    import sys
    import textwrap

    from mcukd.cli.asking import WIDTH, at_terminal
    from mcukd.data.importer.options import Dialog, Options
    from mcukd.data.importer.run import import_data as run
    from mcukd.data.importer.run import summary

    options = Options(
        name=name,
        out=out,
        acceleration=_three(acceleration),
        label_column=label_column,
        animal_column=animal_column,
        time_column=time_column,
        label_from=label_from,
        animal_from=animal_from,
        time_unit=time_unit,
        label=label,
        animal=animal,
        unlabelled=unlabelled,
        units=_one_of("--units", units, ("g", "m/s2", "mg", "counts")),
        rate_hz=rate,
        board=None if board is None else accelerometer(board),
        boards=bundled_accelerometers(),
        range_g=range_g,
        counts_per_g=counts_per_g,
        offset=offset,
        classes=_split(classes),
        mapping=_pairs(mapping or []),
        exclude_animals=tuple(exclude_animal or ()),
        labels_table=labels_table,
        labels_timezone=labels_timezone,
        labels_unit=labels_unit,
        labels_hold=labels_hold,
        labels_base=labels_base,
        labels_from_start=labels_from_start,
        timezone=timezone,
        day_first=day_first,
        year_first=year_first,
        window_s=window,
        resample_hz=resample,
        position=_one_of("--position", position, ("collar", "eartag", "other")),
        simulated=simulated,
        features=features,
        sort=sort,
        convert=convert,
        yes=yes,
    )
    asks = sys.stdin.isatty() and sys.stderr.isatty() and not as_json
    made = run(path, options, Dialog(ask=at_terminal if asks else None, yes=yes))
    if as_json:
        print_json(summary(made))
        return
    # Not where the output is piped, so that a script finds a sentence on one line.
    width = WIDTH if sys.stdout.isatty() else sys.maxsize
    for note in made.notes:
        print("\n".join(textwrap.wrap(f"- {note}", width, subsequent_indent="  ")))
    print()
    for card in made.cards:
        if features:
            print(f"Card written to {card}; read it before you train a head on it.")
        elif made.unlabelled:
            print(f"Card written to {card}; then 'mcukd classify {card} --out results'.")
        else:
            print(f"Card written to {card}; read it, then look with 'mcukd data check {card}'.")


def accelerometer(board: str) -> BoardAccelerometer:
    """Return the sensor of a board by its name or TOML file; UserError where it has none."""
    from mcukd.boards.model import load_board
    from mcukd.errors import UserError

    found = _accelerometer(load_board(board))
    if found is None:
        raise UserError(f"--board names {board}, which has no sensor; state --range instead")
    return found


def bundled_accelerometers() -> tuple[BoardAccelerometer, ...]:
    """Return the sensors of the bundled boards that are not emulated."""
    from mcukd.boards.model import list_boards

    found = [_accelerometer(board) for board in list_boards() if not board.emulated]
    return tuple(one for one in found if one is not None)


def _accelerometer(board: Board) -> BoardAccelerometer | None:
    from mcukd.data.importer.options import BoardAccelerometer

    sensor = board.sensor
    if sensor is None:
        return None
    return BoardAccelerometer(
        board.name,
        sensor.part,
        sensor.range_g,
        sensor.counts_per_g,
        sensor.rates_hz,
        sensor.driver.rate_hz if sensor.driver else None,
    )


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _three(text: str | None) -> tuple[str, ...]:
    from mcukd.errors import UserError

    names = _split(text)
    if text is not None and len(names) != 3:
        raise UserError(
            f"--acceleration names {len(names)} columns; expected three, as in --acceleration ax,ay,az"
        )
    return names


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    from mcukd.errors import UserError

    pairs = {}
    for text in texts:
        old, mark, new = text.partition("=")
        if not mark or not old.strip() or not new.strip():
            raise UserError(f"--map is {text!r}; expected OLD=NEW, as in --map Lying=resting")
        pairs[old.strip()] = new.strip()
    return pairs


def _one_of(flag: str, value: str | None, known: Sequence[str]) -> str | None:
    from mcukd.errors import UserError
    from mcukd.text import did_you_mean, listed

    if value is not None and value not in known:
        raise UserError(f"{flag} is {value!r}{did_you_mean(value, known)}; expected one of {listed(known)}")
    return value
