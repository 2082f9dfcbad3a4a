"""Contents of an archive: which files of a study, of sessions and of this computer go where in it."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path

from mcukd import __version__
from mcukd.archive.container import Content
from mcukd.archive.pack import json_bytes, without_folders
from mcukd.errors import UserError
from mcukd.resources import resource_dir
from mcukd.study import MANIFEST, Study

STUDY, SESSIONS, LOGS, FILES = "study", "sessions", "logs", "files"
_LOCK = "requirements.lock"


def study_members(study: Study) -> tuple[dict[str, Content], list[str]]:
    """Return a study's files by member, and sentences on what of it is left out or changed.

    Its manifest is packed without the folders of this computer: they are in no other file's hash.
    """
    found: dict[str, Content] = {}
    said = []
    for name, path in _files_below(study.path):
        found[f"{STUDY}/{name}"] = path
    links = [one.name for one in study.path.rglob("*") if one.is_symlink()]
    if links:
        said.append(f"Links of the study are not followed: {', '.join(sorted(links))}.")
    manifest = without_folders({key: value for key, value in study.manifest.items() if key != "data_root"})
    found[f"{STUDY}/{MANIFEST}"] = json_bytes(manifest)
    if manifest != study.manifest:
        said.append(f"{STUDY}/{MANIFEST} is packed without the folders of the computer it was made on.")
    return found, said


def session_members(folders: Sequence[Path]) -> dict[str, Content]:
    """Return the files of field sessions by member, all that a folder holds; UserError for one without any.

    A folder is known by its own name, whatever it lies in.
    """
    found: dict[str, Content] = {}
    names: dict[str, Path] = {}
    for folder in folders:
        name = folder.resolve().name
        if not folder.is_dir():
            raise UserError(f"--session {folder}: no folder; name that of a session of 'mcukd observe'.")
        if names.setdefault(name, folder) != folder or folders.count(folder) > 1:
            raise UserError(f"--session {names[name]} and {folder}: two sessions named '{name}'; rename one.")
        files = {f"{SESSIONS}/{name}/{inner}": path for inner, path in _files_below(folder)}
        if not files:
            raise UserError(f"--session {folder}: an empty folder; name that of a session.")
        found.update(files)
    return found


def named_members(option: str, folder: str, paths: Sequence[Path]) -> dict[str, Content]:
    """Return single files by member. option: names them in messages. Raises UserError for two of one name."""
    found: dict[str, Content] = {}
    for path in paths:
        if not path.is_file():
            raise UserError(f"{option} {path}: no such file.")
        name = f"{folder}/{path.name}"
        if name in found:
            raise UserError(
                f"{option} {found[name]!s} and {path}: two files named '{path.name}'; rename one."
            )
        found[name] = path
    return found


def environment_members() -> dict[str, Content]:
    """Return what this computer computes with: versions, packages, and the lock file of a checkout."""
    packages = {f"{one.metadata['Name']}=={one.version}" for one in distributions() if one.metadata["Name"]}
    found: dict[str, Content] = {
        "environment/environment.json": json_bytes(
            {
                "mcukd": __version__,
                "python": platform.python_version(),
                "implementation": platform.python_implementation(),
                "system": platform.system(),
                "machine": platform.machine(),
                "byte_order": sys.byteorder,
            }
        ),
        "environment/packages.txt": "".join(f"{one}\n" for one in sorted(packages, key=str.lower)).encode(),
    }
    lock = resource_dir("boards").parent / _LOCK
    if lock.is_file():
        found[f"environment/{_LOCK}"] = lock
    return found


def names_below(names: Iterable[str], folder: str) -> list[str]:
    """Return the names, sorted, of what lies directly in a folder of an archive."""
    return sorted({name.split("/")[1] for name in names if name.startswith(f"{folder}/")})


def day_of_newest(contents: Iterable[Content]) -> str:
    """Return the day, in UTC, on which the newest of the files was written, as ISO 8601."""
    times = [one.stat().st_mtime for one in contents if isinstance(one, Path)]
    return datetime.fromtimestamp(max(times, default=0), UTC).date().isoformat()


def private_paths(study: Study) -> list[str]:
    """Return paths of this computer that an archive must not tell: of the user, the study and its data."""
    found = {str(Path.home()), str(study.path.resolve().parent), str(Path.cwd())}
    root = study.manifest.get("data_root")
    found |= {str(root)} if root else set()
    # "/tmp" or "/root" alone could stand in any text; with what follows they are a path.
    return sorted(f"{one}/" for one in found if len(Path(one).parts) > 1)


def _files_below(folder: Path) -> list[tuple[str, Path]]:
    """Return names and paths of a folder's files; hidden ones, links and caches are left out."""
    found = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
        linked = any((folder / Path(*parts[:n])).is_symlink() for n in range(1, len(parts) + 1))
        if not hidden and not linked and path.is_file():
            found.append(("/".join(parts), path))
    return found
