"""Figures of field sessions, made of their journals alone, when they are packed and again when checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mcukd.archive.container import Broken
from mcukd.archive.figures import Known, require_same
from mcukd.metrics.agreement.summary import agreement_of
from mcukd.observation.account import session_tracks
from mcukd.observation.figures import minutes_of
from mcukd.observation.folder import FACTS, observer_path, observers_of, tags_of
from mcukd.observation.journal_lines import read_journal


def session_figures(folder: Path) -> dict[str, Any] | None:
    """Return a session's figures in JSON types; None for a folder that is no session.

    `journals`: entries of each. `agreement`: of every observer with the tag, None where there are not both;
    `between_observers`; `minutes` by source and animal; `clocks`, `tolerance_s` and `remarks`, as
    `session_tracks` has them. Raises UserError where a journal is damaged: a line without its checksum, or
    numbers that do not follow each other.
    """
    if not (folder / FACTS).is_file():
        return None
    account = session_tracks(folder)
    paths = [*(observer_path(folder, name) for name in observers_of(folder)), *tags_of(folder)]
    tracks = [*(track for some in account.observers.values() for track in some), *account.tags]
    found = {
        "session": account.facts.id,
        "name": account.facts.name,
        "model_sha256": account.facts.model_sha256,
        "simulated": account.facts.simulated,
        "emulated": account.emulated,
        "journals": {path.name: len(read_journal(path).entries) for path in paths},
        "agreement": (
            agreement_of(account.pairs, account.settings(), simulated=account.facts.simulated)
            if account.pairs
            else None
        ),
        "between_observers": account.between_observers(),
        "minutes": [
            {"source": track.source, "animal": track.animal, "minutes": minutes_of(track)} for track in tracks
        ],
        "clocks": account.clocks,
        "tolerance_s": account.tolerance_s,
        "remarks": list(account.remarks),
    }
    return dict(json.loads(json.dumps(found, allow_nan=False)))


def check_session(folder: Path, recorded: Mapping[str, Any], model_sha256: str | None, known: Known) -> str:
    """Make a session's figures again from its journals and compare them with those recorded; say what holds.

    model_sha256: of the study's model. Raises Broken for a journal that is missing or shorter, and for the
    first figure that is another; UserError for a damaged journal.
    """
    found = session_figures(folder)
    if found is None:
        raise Broken(f"{folder.name}/{FACTS} is missing, which its figures were made of")
    journals = recorded.get("journals")
    journals = journals if isinstance(journals, dict) else {}
    for name, entries in journals.items():
        if name not in found["journals"]:
            raise Broken(f"the journal {name} is missing")
        if found["journals"][name] != entries:
            raise Broken(
                f"the journal {name} has {found['journals'][name]} entries, but {entries} were packed"
            )
    if more := sorted(found["journals"].keys() - journals.keys()):
        raise Broken(f"the journal {more[0]} was not there when the figures were made")
    require_same(folder.name, recorded, found, known)
    if missing := sorted(found.keys() - recorded.keys()):
        raise Broken(f"{folder.name} has no recorded {missing[0]}")
    entries = sum(found["journals"].values())
    model = found["model_sha256"]
    of = "" if not model or model_sha256 is None else ", of the study's model"
    if model and model_sha256 is not None and model != model_sha256:
        of = f", of model {model[:12]}, which is not the study's"
    made = [word for word in ("simulated", "emulated") if found[word]]
    told = {"simulated": "animals are SIMULATED", "emulated": "the tag is EMULATED"}
    of += "".join(f", {told[word]}" for word in made)
    agreement = "agreement and time budgets follow" if found["agreement"] else "time budgets follow"
    return f"{len(found['journals'])} journals with {entries} entries are whole{of}; {agreement} from them"
