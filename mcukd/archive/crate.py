"""Description of an archive as a research object: RO-Crate 1.1, https://w3id.org/ro/crate/1.1.

Its metadata file is JSON-LD in flattened form: a descriptor of itself, the root data set with a name, a
description, a date, a licence and its parts, and each file with its type and size. The context of version 1.1
has no term for a file's SHA-256; schema.org's is added to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from mcukd import __version__
from mcukd.archive.container import Member

CRATE = "ro-crate-metadata.json"
_VERSION = "https://w3id.org/ro/crate/1.1"
_TYPES = {
    ".bin": "application/octet-stream",
    ".c": "text/x-c",
    ".csv": "text/csv",
    ".elf": "application/x-elf",
    ".h": "text/x-c",
    ".hex": "text/plain",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".keras": "application/zip",
    ".ld": "text/plain",
    ".lock": "text/plain",
    ".md": "text/markdown",
    ".npz": "application/zip",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
    ".s": "text/x-asm",
    ".svg": "image/svg+xml",
    ".toml": "application/toml",
    ".txt": "text/plain",
}
#: Folders of an archive and what they hold, for people.
FOLDERS = {
    "boards": "Board files of the boards that images were proven on",
    "card": "Card of the data set, without folders of the computer it was used on",
    "data": "Samples of the data set",
    "environment": "Versions of what computed",
    "figures": "Figures made of the sessions, and what they are recomputed from",
    "files": "Further files",
    "logs": "Logs fetched from tags",
    "proof": "Windows that images were proven on, with the integer reference's answers",
    "sessions": "Field sessions: what observers and tags told",
    "study": "Study: model, generated sources, images, proofs, scores and report",
}


def crate_of(
    members: Iterable[Member], *, name: str, description: str, date: str, licence: str
) -> dict[str, Any]:
    """Return the metadata file's content for some members. date: ISO 8601, of a day. licence: its name."""
    files = sorted(members, key=lambda one: one.name)
    folders = sorted({one.name.split("/")[0] for one in files if "/" in one.name})
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": name,
        "description": description,
        "datePublished": date,
        "license": {"@id": "#licence"},
        "hasPart": [
            *({"@id": f"{one}/"} for one in folders),
            *({"@id": path_in_crate(one.name)} for one in files if "/" not in one.name),
        ],
        "mentions": {"@id": "#packed"},
    }
    graph: list[Mapping[str, Any]] = [
        {
            "@id": CRATE,
            "@type": "CreativeWork",
            "conformsTo": {"@id": _VERSION},
            "about": {"@id": "./"},
        },
        root,
        {"@id": "#licence", "@type": "CreativeWork", "name": licence, "description": f"Licence: {licence}"},
        {"@id": "#mcukd", "@type": "SoftwareApplication", "name": "mcukd", "version": __version__},
        {
            "@id": "#packed",
            "@type": "CreateAction",
            "name": "Packed by mcukd archive",
            "instrument": {"@id": "#mcukd"},
            "result": {"@id": "./"},
        },
        *(_folder(one, files) for one in folders),
        *(_file(one) for one in files),
    ]
    context = [f"{_VERSION}/context", {"sha256": "https://schema.org/sha256"}]
    return {"@context": context, "@graph": graph}


def described_files(crate: Any) -> set[str]:
    """Return the paths of the files that a metadata file describes, as it writes them."""
    graph = crate.get("@graph", []) if isinstance(crate, dict) else []
    return {str(one.get("@id")) for one in graph if isinstance(one, dict) and one.get("@type") == "File"}


def _folder(name: str, files: Iterable[Member]) -> dict[str, Any]:
    inside = [{"@id": path_in_crate(one.name)} for one in files if one.name.startswith(f"{name}/")]
    return {"@id": f"{name}/", "@type": "Dataset", "name": FOLDERS.get(name, name), "hasPart": inside}


def _file(one: Member) -> dict[str, Any]:
    path = PurePosixPath(one.name)
    return {
        "@id": path_in_crate(one.name),
        "@type": "File",
        "name": path.name,
        "contentSize": str(one.size),
        "encodingFormat": _TYPES.get(path.suffix.lower(), "application/octet-stream"),
        "sha256": one.sha256,
    }


def path_in_crate(name: str) -> str:
    """Return a member's name as a relative URI."""
    return quote(name, safe="/")
