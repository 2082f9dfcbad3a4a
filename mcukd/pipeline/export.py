"""Export stage: behaviour over time into files of BORIS, Movebank or mHealth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mcukd.annotations.boris_files import write_project, write_sheet
from mcukd.annotations.mhealth import write_mhealth
from mcukd.annotations.movebank import write_movebank
from mcukd.annotations.reading import UNKNOWN, Reading
from mcukd.errors import UserError
from mcukd.files import require_other
from mcukd.metrics.agreement.track import Track
from mcukd.pipeline.behaviour import read_source
from mcukd.text import listed

BORIS, MOVEBANK, MHEALTH = "boris", "movebank", "mhealth"
#: No tag was on an animal before 1990.
_EARLIEST_NS = 631_152_000 * 10**9


def export(
    sources: Sequence[Path],
    form: str,
    out: Path,
    reading: Reading,
    *,
    zone: str = "UTC",
    tags: Mapping[str, str] = {},
    who: str | None = None,
    replace_file: bool = False,
) -> dict[str, Any]:
    """Write the behaviour of some sources to a file, and return what was written.

    form: BORIS (a project, or a sheet where `out` ends in .xlsx), MOVEBANK or MHEALTH. zone: of local times
    in the file. tags: animal → identifier of its tag, for Movebank. who: of several accounts of an animal,
    the one that is written. replace_file: write over a file that is there. Raises UserError where a source
    tells no times, where two accounts of an animal would be mixed, where a file would be lost, and where the
    file's format cannot hold a name or a time.
    """
    require_other(out, sources)
    if out.exists() and not replace_file:
        raise UserError(f"{out}: is there; name another file with --out, or give --replace.")
    said = [read_source(path, reading) for path in sources]
    for path, one in zip(sources, said):
        if one.periods:
            raise UserError(f"{path} holds payloads, which tell no times; nothing can be exported of it.")
    apart = form == BORIS and out.suffix.lower() != ".xlsx"
    tracks = _chosen([_known(track) for one in said for track in one.tracks], apart, who)
    _refuse_undated(tracks)
    written = {track.source for track in tracks}
    models = list(
        dict.fromkeys(
            one.model_sha256
            for one in said
            if one.model_sha256 and written & {track.source for track in one.tracks} - {*one.observers}
        )
    )
    if len(models) > 1 and form == MOVEBANK:
        raise UserError(
            f"the sources are of the models {listed(models)}; export those of one model at a time."
        )
    model = models[0] if models else None
    if form == MOVEBANK:
        bouts = write_movebank(out, tracks, tags or {}, model)
    elif form == MHEALTH:
        bouts = write_mhealth(out, tracks, zone)
    elif out.suffix.lower() == ".xlsx":
        bouts = write_sheet(out, tracks)
    elif out.suffix.lower() == ".boris":
        told = f"Written by mcukd{f'; model {model}' if model else ''}. Times are seconds since 1970."
        bouts = write_project(out, out.stem, tracks, zone, told)
    else:
        raise UserError(
            f"--out is {out}, but BORIS opens projects (.boris) and takes events from .xlsx; name one."
        )
    return {
        "file": str(out),
        "form": form,
        "bouts": bouts,
        "animals": list(dict.fromkeys(track.animal for track in tracks)),
        "accounts": [track.source for track in tracks],
        "model_sha256": model,
        "notes": [note for one in said for note in one.notes],
    }


def _refuse_undated(tracks: Sequence[Track]) -> None:
    """UserError where times are those of recordings without stamps, which count from 1970."""
    for track in tracks:
        if track.starts[0] < _EARLIEST_NS:
            raise UserError(
                f"{track.source}: its times begin {track.starts[0] / 1e9:.3f} s after 1970-01-01, as of a "
                "recording "
                "without stamps, so no wall-clock time is known; classify it with --start."
            )


def _known(track: Track) -> Track:
    """Return a track without results that the tag does not know."""
    if UNKNOWN not in track.classes:
        return track
    known = track.behaviours != track.classes.index(UNKNOWN)
    return replace(
        track, starts=track.starts[known], ends=track.ends[known], behaviours=track.behaviours[known]
    )


def _chosen(tracks: Sequence[Track], apart: bool, who: str | None) -> list[Track]:
    """Return the tracks that are written. apart: whether the file keeps several accounts of an animal
    apart."""
    there = list(dict.fromkeys(track.source for track in tracks))
    if who is not None and who not in there:
        raise UserError(f"--account is {who!r}, which is none of the sources' accounts ({listed(there)}).")
    chosen = [track for track in tracks if len(track) and who in (None, track.source)]
    if not chosen:
        raise UserError("no behaviour is known in the sources; nothing is written.")
    animals = [track.animal for track in chosen]
    if not apart and len(set(animals)) < len(animals):
        twice = next(name for name in animals if animals.count(name) > 1)
        raise UserError(
            f"there are several accounts of {twice or 'the animal'} ({listed(there)}), which the file could "
            "not tell "
            "apart; choose one with --account."
        )
    return chosen
