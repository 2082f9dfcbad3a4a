"""Windows of `mcukd classify` (Parquet) as a track.

Each window stands for the hop in its middle, as a tag's results do (`mcukd.tag.spans`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mcukd.annotations.behaviours import brought
from mcukd.annotations.clock import moved
from mcukd.annotations.reading import Reading, Said
from mcukd.errors import UserError
from mcukd.metrics.agreement.track import Track
from mcukd.tag.spans import delay_ns

#: How files end that `mcukd classify` writes for an animal.
SUFFIX = ".windows.parquet"
_MAGIC = b"PAR1"
_AGAIN = "classify the recording again"
#: A window further from the one before it than so many hops follows a gap.
_GAP = 1.5


def is_windows(content: bytes) -> bool:
    """Tell whether bytes are of a Parquet file."""
    return content[:4] == _MAGIC


def read_windows(path: Path, reading: Reading) -> Said:
    """Read the windows of a recording; the animal is named by the file unless one is stated.

    Raises UserError for Parquet that `mcukd classify` did not write, and where neither the file nor a study
    says how long a window is.
    """
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.read_table(path)
    except (ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read as Parquet ({error}); classify the recording again") from None
    facts = _facts(path, table)
    try:
        starts = table.column("start").cast("int64").to_numpy() * 1000
        classes = table.column("class_id").to_numpy().astype(np.int64)
        window_s, hop_s = _lengths(path, facts, reading)
        hop = round(hop_s * 1e6) * 1000
        names, model = tuple(map(str, facts["classes"])), str(facts["model_sha256"])
        whole = hop > 0 and window_s > 0 and classes.min() >= 0 and classes.max() < len(names)
    except (ArrowException, ValueError, KeyError, TypeError, OverflowError) as error:
        raise UserError(
            f"{path}: its columns are not those of 'mcukd classify' ({error!r}); {_AGAIN}"
        ) from None
    if not whole:
        raise UserError(f"{path}: a window has a class or a length that is none; {_AGAIN}")
    if np.any(np.diff(starts) <= 0):
        row = int(np.argmax(np.diff(starts) <= 0)) + 1
        raise UserError(f"{path}: window {row} does not start after the one before it; classify it again")
    following = np.append(starts[1:], starts[-1:] + hop)
    ends = np.where(following - starts <= _GAP * hop, following, starts + hop)
    window = round(window_s * 1e6) * 1000
    shift = window - delay_ns(window, hop)
    animal = reading.animal or path.name.partition(SUFFIX)[0]
    track = Track(animal, f"the windows of {path.name}", names, starts + shift, ends + shift, classes).bouts()
    return Said((brought(path, moved(track, reading), reading),), (), model)


def _facts(path: Path, table: Any) -> dict[str, Any]:
    content = (table.schema.metadata or {}).get(b"mcukd")
    if content is None or not {"start", "class_id"} <= set(table.column_names) or not len(table):
        raise UserError(
            f"{path} is Parquet, but not of 'mcukd classify'; a file that ends in {SUFFIX} is expected"
        )
    try:
        return dict(json.loads(content))
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: what it says of its model is not JSON ({error}); {_AGAIN}") from None


def _lengths(path: Path, facts: dict[str, Any], reading: Reading) -> tuple[float, float]:
    """Return the lengths of a window and of a hop in seconds, from the file or else from the study."""
    model = reading.model
    if "window_s" in facts:
        return float(facts["window_s"]), float(facts["hop_s"])
    if model is None or model.window_s is None or model.hop_s is None:
        raise UserError(
            f"{path} does not say how long its windows are, as an earlier mcukd wrote it; give --run STUDY, "
            "or "
            "classify the recording again"
        )
    return model.window_s, model.hop_s
