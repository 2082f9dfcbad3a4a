"""Check of a tag's model: whether the session's behaviours are the names of its classes."""

from __future__ import annotations

from mcukd.observation.folder import SessionFacts
from mcukd.observation.moments import Connected


def other_model(tag: Connected | None, facts: SessionFacts) -> str:
    """Say why a tag's classes cannot be named by the session's; empty where they can."""
    if tag is None:
        return ""
    ours, theirs = facts.model_sha256.lower(), tag.model_sha256.lower()
    shorter = min(len(ours), len(theirs))  # a tag may tell the first digits alone
    if ours[:shorter] != theirs[:shorter]:
        differs = f"the tag runs model {theirs[:8]}, but the session's is {ours[:8]}"
    elif tag.classes != len(facts.classes):
        differs = f"the tag knows {tag.classes} classes, but the session names {len(facts.classes)}"
    else:
        return ""
    return f"{differs}: what it says is kept but not shown; begin a session with the tag's study (--run)."
