"""Sentences of decoders about payloads that are refused or doubtful, for Python and JavaScript."""

from __future__ import annotations

#: By what is wrong. Names in braces are filled in.
SENTENCES = {
    "empty": "the payload is empty, but {bytes} bytes are expected; give a whole payload",
    "version": (
        "the payload is of schema version {found}, but this decoder reads version {version} ({schema}); take "
        "the decoder of the schema that the tag was built with"
    ),
    "length": (
        "the payload has {found} bytes, but {bytes} are expected ({schema}, version {version}); give a whole "
        "payload"
    ),
    "classes": (
        "the payload counts {found} classes, but this decoder has the names of {classes}; take those of the "
        "model on the tag"
    ),
    "room": (
        "the payload counts {found} classes, but 1 to {most} are possible ({schema}, version {version}); it "
        "is damaged or of another schema"
    ),
    "padding": "the last {padding} bits of the payload are not 0; it is damaged or of another schema",
    "counts": (
        "the counts of the payload contradict their exponent {exponent}; it is damaged or of another schema"
    ),
    "port": (
        "the payload came on port {found}, but {f_port} is expected ({schema}, version {version}); take the "
        "decoder of that port"
    ),
    "model": (
        "the tag runs model {found}, but this decoder has the classes of model {model}; its "
        "classes may be others"
    ),
}


def sentence(problem: str, **facts: int | str) -> str:
    """Return one of the sentences with its facts."""
    return SENTENCES[problem].format(**facts) + "."
