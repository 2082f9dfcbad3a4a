"""The documentation's website: built once for all tests, and its pages as a browser would read them."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest
from builders.places import ROOT

#: Modules of the site, as `mkdocs.yml` finds them.
SITE = ROOT / "docs" / "site"
_VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
_SECONDS = 600


def built_site(folder: Path) -> Path:
    """Return the folder of the site, built from this checkout; skips where the packages are not installed.

    folder: one that the workers of a test session share. The first to come builds, others wait.
    """
    for package in ("mkdocs", "material", "mkdocstrings_handlers"):
        pytest.importorskip(package, reason="the documentation's packages are not installed (extra docs)")
    site, log = folder / "site", folder / "site.log"
    try:
        (folder / "site.begun").mkdir()
    except FileExistsError:
        until = time.monotonic() + _SECONDS
        while not log.exists() and time.monotonic() < until:
            time.sleep(0.2)
        assert site.is_dir(), log.read_text(encoding="utf-8")
        return site
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(site)],
        cwd=ROOT, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    log.write_text(done.stdout + done.stderr, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return site


@dataclass
class Page:
    """What a page holds: text and elements of its article, and what it and its frame refer to."""

    text: list[str] = field(default_factory=list)
    elements: dict[str, int] = field(default_factory=dict)
    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)  # of <a>
    sources: list[str] = field(default_factory=list)  # what a browser fetches by itself


class _Reader(HTMLParser):
    """Reads a page; `article` says whether only what is in <article> counts as its text."""

    def __init__(self, article: bool) -> None:
        super().__init__()
        self.page = Page()
        self._open: list[tuple[str, bool, bool]] = [("", not article, False)]  # tag, in the article, left out

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        classes = given.get("class", "").split()
        _, inside, left_out = self._open[-1]
        inside |= tag == "article"
        left_out |= bool({"headerlink", "not-in-the-repository"} & set(classes)) or tag in ("style", "script")
        for name in ("id", "name"):
            if given.get(name):
                self.page.anchors.add(given[name])
        if tag == "a" and "href" in given:
            self.page.links.append(given["href"])
        elif tag in ("link", "script", "img", "source", "iframe", "video"):
            self.page.sources += [given[name] for name in ("href", "src") if given.get(name)]
        if inside and not left_out:
            self.page.elements[tag] = self.page.elements.get(tag, 0) + 1
        if tag not in _VOID:
            self._open.append((tag, inside, left_out))

    def handle_endtag(self, tag: str) -> None:
        while len(self._open) > 1 and tag in [name for name, _, _ in self._open]:
            if self._open.pop()[0] == tag:
                break

    def handle_data(self, data: str) -> None:
        _, inside, left_out = self._open[-1]
        if inside and not left_out:
            self.page.text.append(data)


def read_page(html: str, article: bool = True) -> Page:
    """Return what a page holds."""
    reader = _Reader(article)
    reader.feed(html)
    return reader.page


def site_module(name: str) -> ModuleType:
    """Return a module of `docs/site`, which import each other as mkdocs lets them."""
    if str(SITE) not in sys.path:
        sys.path.append(str(SITE))
    return importlib.import_module(name)
