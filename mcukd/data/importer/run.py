"""The import as a whole: plan, ask, convert where needed, and write the card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mcukd.config_files import toml_string
from mcukd.data.card import Card, load_card
from mcukd.data.drop import Drop
from mcukd.data.importer import card_text
from mcukd.data.importer.animal_names import refuse_alike, refuse_nameless
from mcukd.data.importer.columns import ONE_G
from mcukd.data.importer.conversion_notes import sentences
from mcukd.data.importer.convert import Converted, check_place, convert
from mcukd.data.importer.copies import refuse_copies
from mcukd.data.importer.infer import InferredCard, infer_card, infer_unlabelled_signal, stated_rate
from mcukd.data.importer.joining import check_coverage, labels_of
from mcukd.data.importer.left_out import (
    dropping,
    faulty_recordings,
    note_animals,
    note_excluded,
    toml_drop,
    wanted,
)
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.place import CARD_FILE, MANIFEST, RECORDINGS, nothing_left, place_for
from mcukd.data.importer.plain import plain_source, provisional, toml_columns, toml_paths
from mcukd.data.importer.plan import find_files, is_ucihar, make_plan
from mcukd.data.importer.reading_plan import ReadingPlan
from mcukd.data.importer.rows import NAMELESS, NO_ANIMAL
from mcukd.data.importer.sensor import check_range
from mcukd.data.importer.simulated import tell_simulated
from mcukd.data.importer.tables import import_tables
from mcukd.data.importer.unlabelled import unlabelled_card, write_recordings
from mcukd.data.quality.survey import Survey, survey
from mcukd.data.raw_segments import without
from mcukd.data.readers.parquet import PART_PATTERN, parquet_segments
from mcukd.data.sources import raw_segments
from mcukd.data.unlabelled import load_unlabelled
from mcukd.errors import UserError
from mcukd.files import write_text
from mcukd.text import plural

_PIECE = 500_000


@dataclass(frozen=True)
class Imported:
    """What an import made. cards: their files. converted: None where the card points at the originals.

    unlabelled: the card is of recordings without labels.
    """

    cards: tuple[Path, ...]
    notes: tuple[str, ...]
    converted: Converted | None = None
    unlabelled: bool = False


def import_data(path: Path, options: Options, dialog: Dialog) -> Imported:
    """Look at a file or folder and write a card, and Parquet where the readers cannot take the files.

    Written to `options.out`, by default a folder of the data's name beneath the current one (beside the data
    where that is among them). The same call after a kill goes on where it stopped; where it fails, nothing is
    left. Raises UserError for what can neither be told from the data nor asked for, naming the flag that
    states it, and where a card is there already.
    """
    name = card_text.card_name(options.name or path.resolve().name.partition(".")[0])
    out = place_for(path, name, options.out)
    target = out / CARD_FILE
    if target.exists():
        raise UserError(f"{target} is there already; edit it, remove it, or name another folder with --out")
    check_range(options)
    if options.features or (path.is_dir() and is_ucihar(path)):
        options = replace(options, simulated=tell_simulated(path, find_files(path), options, dialog))
    if options.features:
        return Imported(*import_tables(path, name, out, options, dialog))
    if path.is_dir() and is_ucihar(path):
        return _import_ucihar(path, name, target, options, dialog)
    plan = make_plan(path, options, dialog)
    files = [one.path for one in plan.files]
    options = replace(options, simulated=tell_simulated(path, files, options, dialog))
    check_place(plan, options, out)
    if plan.time is None and plan.layout in ("rows", "bursts") and options.rate_hz is None:
        # Asked before the samples are read: without stamps nothing in them tells it.
        options = replace(options, rate_hz=stated_rate(dialog))
    with nothing_left(out):
        return _import_recordings(plan, path, name, out, options, dialog)


def _import_recordings(
    plan: ReadingPlan, path: Path, name: str, out: Path, options: Options, dialog: Dialog
) -> Imported:
    target = out / CARD_FILE
    if plan.unlabelled:
        return _import_unlabelled(plan, path, name, out, options, dialog)
    table = labels_of(options, plan, dialog)
    source = None if options.convert else plain_source(plan, options, dialog)
    inferred = None if source is None else _infer_plain(plan, source, options, dialog)
    if source is not None and inferred is not None:
        card, excluded = inferred
        if excluded:
            source["exclude_files"] = toml_paths(excluded)
        if options.exclude_animals:
            source["exclude_animals"] = card_text.array(options.exclude_animals)
        columns = toml_columns(plan)
        text = card_text.signal_card(
            name, card, source, columns, options, dialog.notes, _described(path, None)
        )
        return _written(target, text, dialog, None)
    converted = convert(plan, options, table, out)
    refuse_nameless(converted.left_out.get(NAMELESS, 0), converted.rows, str(plan.animal))
    _note_conversion(converted, dialog)
    if table is not None:
        check_coverage(table, _spans(out), dialog)
    card, segments, drop = _infer_parquet(plan, converted, options, dialog)
    source = {"reader": '"parquet"', "folder": '"."'}
    if segments:
        source["exclude_segments"] = f"[{', '.join(str(number) for number in segments)}]"
    if drop is not None:
        source["drop"] = toml_drop(drop)
    if options.exclude_animals:
        source["exclude_animals"] = card_text.array(options.exclude_animals)
    text = card_text.signal_card(name, card, source, {}, options, dialog.notes, _described(path, converted))
    return _written(target, text, dialog, converted)


def _import_unlabelled(
    plan: ReadingPlan, path: Path, name: str, out: Path, options: Options, dialog: Dialog
) -> Imported:
    converted = convert(plan, options, None, out)
    refuse_nameless(converted.left_out.get(NAMELESS, 0), converted.rows, str(plan.animal))
    _note_conversion(converted, dialog)
    kept = _survey_parquet(out, options=options)
    _name_files(kept, converted)
    refuse_alike(kept.animals)
    refuse_copies(kept, lambda place: converted.file_of(_segment(place)), dialog)
    signal = infer_unlabelled_signal(kept, options, dialog, eobs=plan.layout == "e-obs")
    written = write_recordings(out, out / RECORDINGS, options, signal[2])
    per_g = signal[1] if signal[1] is not None else ONE_G[signal[0]]
    dialog.note(
        f"recordings: {plural(len(written), 'Parquet file')} in {RECORDINGS}, cut at gaps and where a "
        "recording ends; "
        + ("stamps are theirs" if plan.time else "without stamps, times count from 1970-01-01 at the rate")
    )
    text = unlabelled_card(name, signal, written, per_g, path, RECORDINGS, options, dialog.notes)
    write_text(out / CARD_FILE, text)
    load_unlabelled(out / CARD_FILE)
    for part in [*out.glob(PART_PATTERN), out / MANIFEST]:
        part.unlink()
    return Imported((out / CARD_FILE,), tuple(dialog.notes), converted, unlabelled=True)


def _spans(folder: Path) -> dict[str, tuple[float, float]]:
    """When each animal of an import was recorded, first and last seconds."""
    return {name: (one.first_time, one.last_time) for name, one in _survey_parquet(folder).animals.items()}


def _note_resampling(card: Card, dialog: Dialog) -> None:
    from mcukd.data.resample import band_limit, ratio

    if card.signal.resample_hz is None:
        return
    ratio(card.signal)
    limit = band_limit(card.signal)
    if limit:
        dialog.note(f"band limit: {limit}")


def _written(target: Path, text: str, dialog: Dialog, converted: Converted | None) -> Imported:
    write_text(target, text)
    _note_resampling(load_card(str(target)), dialog)
    return Imported((target,), tuple(dialog.notes), converted)


def _described(path: Path, converted: Converted | None) -> str:
    if converted is None:
        return f"Imported from {path.name}; the card points at the original files."
    rows = f"{converted.samples} samples of {converted.rows} rows"
    return f"Imported from {path.name}: {rows}, as Parquet beside this card."


def _note_conversion(converted: Converted, dialog: Dialog) -> None:
    if converted.resumed:
        dialog.note("conversion: gone on with where it had stopped")
    dialog.note(
        f"conversion: {converted.rows:,} rows read, {converted.samples:,} samples written as Parquet "
        "(single precision)"
    )
    for sentence in sentences(converted):
        dialog.note(sentence)


def _infer_plain(
    plan: ReadingPlan, source: dict[str, str], options: Options, dialog: Dialog
) -> tuple[InferredCard, list[str]] | None:
    """Work out the card of files as they are; None where they turn out to need conversion."""
    card = provisional("plain", source, toml_columns(plan), options)
    try:
        kept = survey(wanted(raw_segments(card, None), options))
    except UserError:
        # A conversion can deal with holes, and names file and line of what it cannot deal with.
        dialog.note("conversion: to Parquet, for the files have values that are missing or no numbers")
        return None
    if any(one.backwards for one in kept.animals.values()):
        dialog.note("conversion: to Parquet, for stamps step back")
        return None
    if any(animal in NO_ANIMAL for animal in kept.animals):
        dialog.note("conversion: to Parquet, for rows name no animal")
        return None
    if any(animal != animal.strip() for animal in kept.animals):
        dialog.note("conversion: to Parquet, for animals' names have blanks around them")
        return None
    note_animals(raw_segments(card, None), options, dialog)
    drop = dropping(kept, raw_segments(card, None), options, dialog)
    if drop is not None:
        source["drop"] = toml_drop(drop)
        card = provisional("plain", source, toml_columns(plan), options)
        kept = survey(wanted(raw_segments(card, None), options))
    excluded: list[str] = []
    if source["reader"] == '"segments"':
        faulty = faulty_recordings(kept, options)
        excluded = [place.name for place in faulty]
        note_excluded(kept, faulty, excluded, options, dialog)
    if excluded:
        card = provisional(
            "plain", {**source, "exclude_files": toml_paths(excluded)}, toml_columns(plan), options
        )
        kept = survey(wanted(raw_segments(card, None), options))
    refuse_alike(kept.animals)
    refuse_copies(kept, lambda place: "", dialog)
    found = infer_card(kept, options, dialog)
    if kept.labels[""]:
        found = replace(found, ignore=[*found.ignore, ""])
    return found, excluded


def _infer_parquet(
    plan: ReadingPlan, converted: Converted, options: Options, dialog: Dialog
) -> tuple[InferredCard, list[int], Drop | None]:
    folder = converted.folder
    kept = _survey_parquet(folder, options=options)
    note_animals(parquet_segments(folder, (), _PIECE), options, dialog)
    drop = dropping(kept, parquet_segments(folder, (), _PIECE), options, dialog)
    if drop is not None:
        kept = _survey_parquet(folder, (), options, drop)
    faulty = faulty_recordings(kept, options)
    segments = [_segment(place.name) for place in faulty]
    if segments:
        files = [converted.file_of(segment) or place.name for segment, place in zip(segments, faulty)]
        note_excluded(kept, faulty, files, options, dialog)
        kept = _survey_parquet(folder, segments, options, drop)
    _name_files(kept, converted)
    refuse_alike(kept.animals)
    refuse_copies(kept, lambda place: converted.file_of(_segment(place)), dialog)
    eobs = plan.layout == "e-obs"
    if eobs and options.rate_hz is None:
        rates = [one.step for one in kept.animals.values() if one.step]
        if not rates:
            raise UserError("no column says the sampling rate of the e-obs bursts; state it with --rate")
    return infer_card(kept, options, dialog, eobs=eobs), segments, drop


def _segment(place: str) -> int:
    """Return the number of the segment that a recording of an import is."""
    return int(place.rpartition(" ")[2])


def _name_files(kept: Survey, converted: Converted) -> None:
    """Let animals come from the user's files, and not from the parts that a failed import removes."""
    for one in kept.animals.values():
        files = [converted.file_of(_segment(place.name)) for place in one.places[:1]]
        one.origin = (files or [""])[0] or one.origin


def _survey_parquet(
    folder: Path,
    exclude: Sequence[int] = (),
    options: Options | None = None,
    drop: Drop | None = None,
) -> Survey:
    segments = parquet_segments(folder, exclude, _PIECE if drop is None else None)
    return survey(without(one, drop) for one in wanted(segments, options or Options()))


def _import_ucihar(path: Path, name: str, target: Path, options: Options, dialog: Dialog) -> Imported:
    dialog.note("layout: UCI HAR, windows cut and split by its authors; total_acc is taken, with gravity")
    first = path / "train" / "Inertial Signals" / "total_acc_x_train.txt"
    with first.open(encoding="utf-8") as stream:
        window = len(stream.readline().split())
    if options.resample_hz is not None:
        raise UserError("--resample goes with recordings, but windows of UCI HAR come cut; leave it out")
    if options.rate_hz is None:
        rate = dialog.choose(
            "nothing in the files tells the sampling rate (UCI HAR's own is 50 Hz)", "--rate", [], "50"
        )
        options = replace(options, rate_hz=float(rate))
    stated_rate = float(options.rate_hz or 0)
    dialog.note(f"rate: {stated_rate:g} Hz, as stated")
    options = replace(options, mapping={**_activities(path), **options.mapping})
    source = {"reader": '"ucihar"', "folder": toml_string(str(path.resolve()))}
    if options.exclude_animals:
        source["exclude_animals"] = card_text.array(options.exclude_animals)
    card = provisional("ucihar", source, {}, options)
    card = card.model_copy(update={"windows": card.windows.model_copy(update={"length": window})})
    kept = survey(raw_segments(card, None))
    inferred = infer_card(kept, options, dialog, fixed=(window, stated_rate))
    text = card_text.signal_card(name, inferred, source, {}, options, dialog.notes, _described(path, None))
    return _written(target, text, dialog, None)


def _activities(path: Path) -> dict[str, str]:
    """Names of the activities, where the set's own list is beside the windows."""
    file = path / "activity_labels.txt"
    if not file.is_file():
        return {}
    pairs = [line.split() for line in file.read_text(encoding="utf-8").splitlines()]
    return {pair[0]: pair[1].lower() for pair in pairs if len(pair) == 2}


def summary(imported: Imported) -> dict[str, Any]:
    """Return what was made, for scripts."""
    converted = imported.converted
    return {
        "cards": [str(card) for card in imported.cards],
        "found": list(imported.notes),
        "rows": converted.rows if converted else None,
        "samples": converted.samples if converted else None,
        "left_out": converted.left_out if converted else {},
        "resumed": converted.resumed if converted else False,
    }
