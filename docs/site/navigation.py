"""Navigation of the site, from the tables in which the documentation lists its own pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from commands import page_of as page_of_command
from commands import walked
from modules import ROOMS
from repository import ROOT, SHOWN, linked_files, page_of


def navigation(pages: Iterable[str]) -> list[Any]:
    """Return the sections of the site with its pages, each once; those that no table lists come last."""
    left = set(pages)

    def take(*wanted: str) -> list[str]:
        found = [page for page in dict.fromkeys(wanted) if page in left]
        left.difference_update(found)
        return found

    def folder(name: str) -> list[str]:
        return take(*sorted(page for page in left if page.startswith(f"{name}/")))

    guides = [page for page in _listed("docs/guides/README.md") if page.startswith("guides/")]
    first = take(*(page for page in guides if "/first-hour-" in page))
    sections = [
        {"Home": [*take("index.md", "contents.md", "architecture.md", "changelog.md", "contributing.md")]},
        {"First hours": first},
        {"Notebooks": take("notebooks/README.md", *_notebooks(left))},
        {"Guides": [*take("guides/README.md", *guides), *folder("guides")]},
        {"Reference": [*take(*_listed("docs/README.md", "reference/")), *folder("reference")]},
        {"Commands": _commands(take)},
        {"API": take("api/index.md", *(f"api/{room}.md" for room in ROOMS))},
        {"Specifications": take(*(page for page in _listed("docs/README.md") if "/" not in page))},
        {
            "Experiments": [
                *take("experiments/README.md", *_listed("docs/experiments/README.md", "experiments/")),
                *folder("experiments"),
                *take("results/figures.md", "results/index.md"),
            ]
        },
    ]
    left -= {
        page for page in left if page.startswith(f"{SHOWN}/")
    }  # reached from the pages that link to them
    sections[0]["Home"] += take(*sorted(left))
    return [section for section in sections if all(section.values())]


def _listed(file: str, start: str = "") -> list[str]:
    """Return the pages that a file links to, in its order."""
    text = (ROOT / file).read_text(encoding="utf-8")
    targets = [match[1] for match in re.finditer(r"\]\(([^)\s]+\.md)(?:#[^)\s]*)?\)", text)]
    paths = [path for target in targets for path in linked_files(f"[]({target})", file)]
    return [page for page in map(page_of, paths) if page.startswith(start)]


def _notebooks(pages: Iterable[str]) -> Iterator[str]:
    yield from sorted(page for page in pages if page.startswith("notebooks/"))


def _commands(take: Any) -> list[Any]:
    """Return the commands in the order of the pipeline; groups are sections."""
    made: list[Any] = [*take("commands/index.md")]
    groups: dict[tuple[str, ...], list[Any]] = {("mcukd",): made}
    for words, command, _ in walked():
        if len(words) == 1:
            continue
        page = page_of_command(words, hasattr(command, "commands"))
        entry: Any = [{words[-1]: one} for one in take(page)]
        if hasattr(command, "commands"):
            groups[words] = take(page) or [page]
            entry = [{words[-1]: groups[words]}]
        groups[words[:-1]].extend(entry)
    return made
