"""Events of mkdocs: pages that are made, links that lead out of `docs/`, and navigation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from commands import command_pages
from dialect import for_python_markdown
from examples import with_marks
from mkdocs.structure.files import File, Files
from modules import module_pages
from navigation import navigation
from notebooks import notebook_pages
from records import record_pages
from repository import PLACED, ROOT, page_of, shown_files, with_site_links

#: Files of the repository by the pages that show them, and the text of each.
_FILES: dict[str, str] = {}
_TEXTS: dict[str, str] = {}
_PICTURES: dict[str, bytes] = {}


def on_config(config: Any) -> Any:
    """Collect all pages, and order them: mkdocs wants the navigation before it looks for files."""
    _FILES.clear()
    _TEXTS.clear()
    _PICTURES.clear()
    own = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}
    texts = {file: (ROOT / file).read_text(encoding="utf-8") for file in sorted(own | _placed())}
    notebooks, pictures = notebook_pages()
    texts.update(notebooks)
    shown = shown_files(texts)
    for file in (*texts, *shown):
        _FILES[page_of(file)] = file
    moved = {file: text for file, text in {**texts, **shown}.items() if file not in own or file in PLACED}
    _TEXTS.update({page_of(file): text for file, text in moved.items()})
    _TEXTS.update({**command_pages(), **record_pages(), **module_pages()})
    _PICTURES.update(pictures)
    config.nav = navigation({*_FILES, *_TEXTS})
    return config


def _placed() -> set[str]:
    return {file for file in PLACED if file.endswith(".md")}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made."""
    for page, text in _TEXTS.items():
        files.append(File.generated(config, page, content=text))
    for name, picture in _PICTURES.items():
        files.append(File.generated(config, name, content=picture))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Give a page of the repository the site's links, and lists as Python-Markdown reads them."""
    file = _FILES.get(page.file.src_uri)
    if file is not None:
        markdown = with_site_links(with_marks(markdown, file), file)
    return for_python_markdown(markdown)


def on_post_build(config: Any) -> None:
    """Write the index of the search as a script too, all that a page may read that is opened from a disk."""
    index = Path(config.site_dir) / "search" / "search_index.json"
    script = f"var __index = {index.read_text(encoding='utf-8')}"
    index.with_suffix(".js").write_text(script, encoding="utf-8")
