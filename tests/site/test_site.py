"""The documentation's website: it builds, nothing in it is broken, and it shows what the repository says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from builders.places import ROOT
from builders.site import Page, built_site, read_page, site_module
from markdown_it import MarkdownIt


@pytest.fixture(scope="session")
def site(session_folder: Path) -> Path:
    return built_site(session_folder)


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[str, Page]:
    """Every page by its path, with its frame."""
    return {
        path.relative_to(site).as_posix(): read_page(path.read_text(encoding="utf-8"))
        for path in sorted(site.rglob("*.html"))
    }


def test_every_link_and_source_is_there(site: Path, pages: dict[str, Page]) -> None:
    broken = []
    for name, page in pages.items():
        if name == "404.html":  # its links are from the root, wherever it is shown
            continue
        for link in [*page.links, *page.sources]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            target = target / "index.html" if target.is_dir() else target
            there = target.resolve().is_file()
            if there and parts.fragment and target.suffix == ".html":
                shown = pages[target.resolve().relative_to(site.resolve()).as_posix()]
                there = unquote(parts.fragment) in shown.anchors
            if not there:
                broken.append(f"{name}: {link}")
    assert broken == []
    assert len(pages) > 100


def test_a_broken_link_would_be_noticed(site: Path) -> None:
    page = read_page('<article><a href="nowhere.html#x">x</a><img src="no.png"></article>')
    assert (page.links, page.sources) == (["nowhere.html#x"], ["no.png"])
    assert not (site / "nowhere.html").exists()


def test_nothing_is_fetched_from_elsewhere(site: Path, pages: dict[str, Page]) -> None:
    """A field laptop has no network, and a reader is nobody else's business."""
    fetched = {source for page in pages.values() for source in page.sources if urlsplit(source).netloc}
    assert fetched == set()
    for path in site.rglob("*.css"):
        assert re.findall(r"url\(['\"]?(https?:[^)]+)|@import", path.read_text(encoding="utf-8")) == [], path
    for path in site.rglob("*.html"):
        assert "unpkg.com" not in path.read_text(encoding="utf-8"), path


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_the_search_works_in_pages_that_are_opened_from_a_disk(site: Path) -> None:
    """A browser starts no worker and reads no JSON there."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(240_000)
        for place in ("index.html", "commands/data/import.html"):
            page.goto((site / place).as_uri())
            page.click("input.md-search__input")
            page.keyboard.type("classify unlabelled recordings")
            page.wait_for_selector(".md-search-result__link")
            found = page.eval_on_selector_all(".md-search-result__link", "all => all.map(one => one.href)")
            assert any("classify.html" in one for one in found), place
        browser.close()


def test_pages_say_what_the_repository_says(site: Path) -> None:
    """Every page's text and its tables, lists, code and figures, as a second reader of Markdown sees them."""
    page_of = site_module("repository").page_of
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    unlike = []
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        file = path.relative_to(ROOT).as_posix()
        wanted = read_page(reader.render(path.read_text(encoding="utf-8")), article=False)
        place = (site / page_of(file)).with_suffix(".html")
        place = place.with_name("index.html") if place.stem == "README" else place
        shown = read_page(place.read_text(encoding="utf-8"))
        for tag in ("h1", "h2", "h3", "h4", "li", "tr", "th", "td", "img", "pre", "em", "strong"):
            here, there = (page.elements.get(tag, 0) for page in (wanted, shown))
            if here != there:
                unlike.append(f"{file}: {here} <{tag}>, the site has {there}")
        said, told = ("".join("".join(page.text).split()) for page in (wanted, shown))
        if said != told:
            at = next((n for n, (a, b) in enumerate(zip(said, told)) if a != b), min(len(said), len(told)))
            around = slice(max(0, at - 20), at + 40)
            unlike.append(f"{file}: {said[around]!r} reads {told[around]!r}")
    assert unlike == []


def _words(page: Page) -> list[str]:
    return " ".join(page.text).split()


def test_every_command_has_its_page_with_every_option(site: Path) -> None:
    commands = site_module("commands")
    missing = []
    for words, command, context in commands.walked():
        place = commands.page_of(words, hasattr(command, "commands"))
        shown = " ".join(_words(read_page((site / place).with_suffix(".html").read_text(encoding="utf-8"))))
        names = [
            name
            for one in command.get_params(context)
            if not one.hidden and one.param_type_name == "option"
            for name in (*one.opts, *one.secondary_opts)
        ]
        missing += [f"{place}: {name}" for name in (" ".join(words), *names) if name not in shown]
        missing += [f"{place}: {example}" for example in commands.examples(command) if example not in shown]
    assert missing == []


def test_modules_are_read_without_importing_them(site: Path) -> None:
    for room in site_module("modules").ROOMS:
        shown = read_page((site / "api" / f"{room}.html").read_text(encoding="utf-8"))
        assert shown.elements.get("h2", 0) >= 1, room
    distill = " ".join(_words(read_page((site / "api" / "pipeline.html").read_text(encoding="utf-8"))))
    assert "quantize_study" in distill and "Finished stages are not repeated" in distill


def test_every_record_is_listed_with_what_it_says(site: Path) -> None:
    records = site_module("records")
    listed = read_page((site / "results" / "index.html").read_text(encoding="utf-8"))
    figures = read_page((site / "results" / "figures.html").read_text(encoding="utf-8"))
    assert {f"{name}.json" for name in records.records()} <= set(listed.links)
    compared = {name: record for name, record in records.records().items() if records.scored(record)}
    assert {"methods-cow-collar", "methods-herd-sim", "label-budget-cow-collar"} <= compared.keys()
    assert figures.elements["svg"] == len(compared)
    text = " ".join(_words(figures))
    assert "Data: herd-sim ( simulated ). Split: animals=3" in text or "Data: herd-sim ( simulated )" in text


def test_records_of_any_kind_are_listed() -> None:
    """Records are made by many scripts: what one means by `rows`, `options` or `seeds` is its own affair."""
    records = site_module("records")
    for odd in ({}, {"rows": {"a": {"mcc": 0.5}}}, {"points": ["a"]}, {"rows": [{"mcc": 0.5}]}, {"rows": 3}):
        assert records.scored(odd) == []
    shown = "\n".join(
        records._table({"odd": {"options": ["a"], "seeds": {"a": 1}, "data": None, "commands": 3}})
    )
    assert "[odd](odd.json) | – | – | – | – | – |" in shown
