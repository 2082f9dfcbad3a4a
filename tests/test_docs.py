"""Links of README, CONTRIBUTING and docs: all files and headings exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from builders.places import ROOT

PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "experiments").glob("*.md")]
)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.S | re.M)
#: Documents named in code, cards, templates and pages, such as "docs/reference/boards.md".
_MENTION = re.compile(r"\b(?:docs|experiments)/[\w./-]+\.(?:md|json|py|toml|svg|png)\b")
#: Sources named in the documentation.
_SOURCE = re.compile(r"`((?:mcukd|tests|firmware_templates|boards|datasets|payloads)/[\w./-]*)`")
#: Placeholders, and files that commands write.
_NOT_KEPT = ("NAME", "experiments/results/")
_FOLDERS = ("mcukd", "firmware_templates", "boards", "datasets", "payloads", "experiments", "docs")
_TEXTS = {".py", ".md", ".toml", ".j2", ".h", ".c", ".html", ".css", ".S"}


def anchors(page: Path) -> set[str]:
    """Return the fragments that a page's headings get where Markdown is shown."""
    headings = re.findall(r"^#+ +(.+)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def pages_linked_from(page: Path) -> set[Path]:
    """Return the Markdown pages that a page links to."""
    names = {link.partition("#")[0] for link in _LINK.findall(page.read_text(encoding="utf-8"))}
    return {(page.parent / name).resolve() for name in names if name.endswith(".md") and ":" not in name}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_exist(page: Path) -> None:
    broken = []
    for link in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_of_docs_is_reachable_from_the_index() -> None:
    linked: set[Path] = set()
    new = {ROOT / "docs" / "README.md"}
    while new:
        linked |= new
        new = {target for page in new for target in pages_linked_from(page)} - linked
    assert sorted(set((ROOT / "docs").rglob("*.md")) - linked) == []


def test_documents_named_in_the_text_exist() -> None:
    missing = set()
    for folder in _FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix not in _TEXTS or not path.is_file():
                continue
            for name in _MENTION.findall(_LINK.sub("", path.read_text(encoding="utf-8"))):
                if not (ROOT / name).exists() and not any(part in name for part in _NOT_KEPT):
                    missing.add(f"{path.relative_to(ROOT)}: {name}")
    assert sorted(missing) == []


def test_sources_named_in_the_documentation_exist() -> None:
    missing = {
        f"{page.relative_to(ROOT)}: {name}"
        for page in PAGES
        for name in _SOURCE.findall(page.read_text(encoding="utf-8"))
        if not (ROOT / name).exists()
    }
    assert sorted(missing) == []


def test_names_imported_in_examples_exist() -> None:
    missing = []
    for page in PAGES:
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M):
            for module, names in re.findall(r"^ *from (mcukd[\w.]*) import (.+)$", block, re.M):
                found = importlib.import_module(module)
                wanted = [name.partition(" as ")[0] for name in names.split(", ")]
                missing += [f"{page.name}: {module}.{name}" for name in wanted if not hasattr(found, name)]
    assert missing == []
