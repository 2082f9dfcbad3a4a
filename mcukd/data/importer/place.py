"""Output folder of an import: never among the recordings, and removed where the import fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mcukd.data.readers.parquet import PART_PATTERN
from mcukd.errors import UserError

CARD_FILE, MANIFEST = "card.toml", "import.json"
#: Folder of the recordings of an import without labels, beneath its card.
RECORDINGS = "recordings"


def place_for(path: Path, name: str, stated: Path | None) -> Path:
    """Return the folder that an import of `path` is written to.

    stated: by --out; else a folder of the data's name beneath the current one, or, where that is among the
    recordings, beside them. Raises UserError where the stated folder is the recordings' own or inside it.
    """
    if stated is not None:
        if lies_within(stated, path):
            raise UserError(
                f"--out is {stated}, which lies among the recordings of {path}, where the next import would "
                "read it as data; name a folder outside of them"
            )
        return stated
    for out in (Path(name), path.parent / f"{name}-imported"):
        if not lies_within(out, path):
            return out
    return path.resolve().parent / f"{name}-imported"


def lies_within(folder: Path, source: Path) -> bool:
    """Tell whether a folder is the source or lies beneath it, links followed."""
    inner, outer = folder.resolve(), source.resolve()
    return inner == outer or outer in inner.parents


def is_own_output(folder: Path) -> bool:
    """Tell whether a folder holds what an import wrote, finished or not."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return {"parts", "reading"} <= set(manifest)
    except (OSError, ValueError, TypeError):
        return False


@contextmanager
def nothing_left(out: Path) -> Iterator[None]:
    """Remove what the block wrote to `out` where it fails, and the folders it made; a kill leaves it.

    An import that was killed before and fails now is removed with it; what was finished before stays.
    """
    made = [one for one in (out, *out.parents) if not one.exists()]
    before = set() if _unfinished(out) else set(_own_files(out))
    try:
        yield
    except Exception:
        for file in set(_own_files(out)) - before:
            file.unlink(missing_ok=True)
        for folder in (out / RECORDINGS, *made):
            try:
                folder.rmdir()
            except OSError:
                # Not made, or not empty: it holds what is not the import's.
                continue
        raise


def _unfinished(out: Path) -> bool:
    if not is_own_output(out):
        return False
    return not json.loads((out / MANIFEST).read_text(encoding="utf-8")).get("complete", False)


def _own_files(out: Path) -> list[Path]:
    if not out.is_dir():
        return []
    own = [*out.glob(PART_PATTERN), *(out / RECORDINGS).glob("*.parquet"), *out.glob(".*.parquet*")]
    return own + [out / name for name in (MANIFEST, CARD_FILE) if (out / name).is_file()]
