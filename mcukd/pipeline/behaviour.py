"""Sources of behaviour for `agree` and `export`: files of any format, and folders of field sessions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mcukd.annotations.behaviours import brought, name_key
from mcukd.annotations.formats import TABLE, format_of, read_behaviour
from mcukd.annotations.reading import Reading, Said, TagModel
from mcukd.errors import UserError
from mcukd.fixedpoint.model import load_model
from mcukd.models.student import require_integers
from mcukd.observation.account import Account, session_tracks
from mcukd.observation.folder import FACTS
from mcukd.study import Study

OBSERVERS, TAG = "observers", "tag"


def tag_model(
    study: Study | None,
    classes: Sequence[str] = (),
    window_s: float | None = None,
    smoothing: int = 1,
) -> TagModel | None:
    """Return the model on a tag, of a study or as stated; None where neither says it.

    Raises UserError where both do, for a study without an integer model, and for names of classes that are
    empty or there twice.
    """
    classes = [name.strip() for name in classes]
    for name in classes:
        if not name or [name_key(one) for one in classes].count(name_key(name)) > 1:
            raise UserError(
                f"--classes names {name!r} {'twice' if name else 'in one place'}; name each class once."
            )
    if study is None:
        return TagModel(tuple(classes), window_s, smoothing=smoothing) if classes else None
    if classes or window_s is not None:
        raise UserError("--run says classes and window of the model; leave --classes and --window out.")
    require_integers(study, "a tag's log")
    model = load_model(study.path)
    return TagModel(
        model.classes,
        model.window / model.rate_hz,
        model.hop / model.rate_hz,
        model.sha256,
        smoothing,
        model.simulated,
    )


def is_session(path: Path) -> bool:
    """Tell whether a path is the folder of a field session."""
    return (path / FACTS).is_file()


def is_table(path: Path) -> bool:
    """Tell whether a file is of labels, as observers note them."""
    return path.is_file() and format_of(path) is TABLE


def read_source(path: Path, reading: Reading, side: str | None = None) -> Said:
    """Read a file or a session's folder.

    side: OBSERVERS or TAG, which of a session's tracks; all without it. Raises UserError as the readers do,
    and where a session has nothing of that side.
    """
    if path.is_dir() and not is_session(path):
        raise UserError(f"{path} is a folder without a session ({FACTS}); name a file in it.")
    if is_session(path):
        return _of_session(session_tracks(path), reading, side)
    return read_behaviour(path, reading)


def _of_session(account: Account, reading: Reading, side: str | None) -> Said:
    observed = [track for tracks in account.observers.values() for track in tracks]
    tracks = [*(observed if side != TAG else []), *(account.tags if side != OBSERVERS else [])]
    kept = tuple(brought(account.folder, track, reading) for track in tracks if len(track))
    if not kept:
        raise UserError(
            f"{account.folder}: the session holds nothing of {'the ' + side if side else 'anybody'}."
        )
    return Said(
        kept,
        tuple(account.remarks),
        account.facts.model_sha256 or None,
        uncertainty_s=0.0 if side == OBSERVERS else account.tolerance_s,
        simulated=account.facts.simulated,
        observers=tuple(dict.fromkeys(track.source for track in observed)),
    )
