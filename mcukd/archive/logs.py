"""Figures of tags' logs, made of their records when they are packed and again when checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mcukd.annotations.tag_log import is_log
from mcukd.archive.container import Broken
from mcukd.archive.figures import Known, require_same
from mcukd.tag.fetched import is_fetched, read_fetched
from mcukd.tag.log import Found, read_log
from mcukd.tag.records import BOOT, BOUT, NAMES, field


def log_figures(path: Path) -> dict[str, Any] | None:
    """Return the figures of a tag's log in JSON types; None for a file that is none.

    `chip`: its number, where the file says it; `classes` that are counted; `records` by kind; `models` and
    `firmwares`: the first 8 hexadecimal digits of each that ran; `results` of bouts by class number;
    `damage`: sentences. Raises UserError where a file of a log cannot be read.
    """
    content = path.read_bytes()
    if not is_log(content):
        return None
    fetched = read_fetched(path) if is_fetched(content) else None
    log = read_log(fetched.dump() if fetched else content, path.name)
    boots = [one.record for one in log.records if one.record.kind == BOOT]
    results: Counter[int] = Counter()
    for one in log.records:
        if one.record.kind == BOUT:
            results[field(one.record, "class_and_end") & 0xFF] += field(one.record, "length")
    return {
        "chip": fetched.owner.chip if fetched else "",
        "classes": log.classes,
        "records": dict(sorted(Counter(_kind(one) for one in log.records).items())),
        "models": sorted({f"{field(one, 'model'):08x}" for one in boots}),
        "firmwares": sorted({f"{field(one, 'firmware'):08x}" for one in boots}),
        "results": {str(number): results[number] for number in sorted(results)},
        "damage": list(log.damage),
    }


def check_log(path: Path, recorded: Mapping[str, Any], model_sha256: str | None) -> str:
    """Make a log's figures again and compare them with those recorded; say what holds.

    model_sha256: of the study's model. Raises Broken for the first figure that is another.
    """
    if not path.is_file():
        raise Broken(f"{path.name} is missing, which its figures were made of")
    found = log_figures(path)
    if found is None:
        raise Broken(f"{path.name} is no log of a tag, but its figures are there")
    require_same(path.name, recorded, found, Known())
    if missing := sorted(found.keys() - recorded.keys()):
        raise Broken(f"{path.name} has no recorded {missing[0]}")
    damage = f"; {len(found['damage'])} places of it are damaged" if found["damage"] else ""
    of = ""
    if model_sha256 is not None and found["models"]:
        ours = model_sha256[:8]
        others = [one for one in found["models"] if one != ours]
        of = (
            f", of model {', '.join(others)}, which is not the study's"
            if others
            else ", of the study's model"
        )
    return f"{sum(found['records'].values()):,} records follow from it{of}{damage}"


def _kind(found: Found) -> str:
    return NAMES.get(found.record.kind, str(found.record.kind))
