"""Files of the repository as pages of the site: where each one is shown, and links that lead to it.

Pages link as they do in the repository, relative to their own file, also to files outside `docs/`. On the
site the README is the first page, and each other file outside `docs/` that a page links to gets a page.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: Pages whose place on the site is not that of their file below `docs/`: from the file to its page.
PLACED = {
    "README.md": "index.md",
    "docs/README.md": "contents.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "docs/results": "results/index.md",
}
#: Folder of the site with files from outside `docs/`.
SHOWN = "repository"

_FENCED = re.compile(r"(^[ >]*```.*?^[ >]*```[ ]*$)", re.S | re.M)
_LINK = re.compile(r"(\[[^\]]*\]\()([^)\s]+)(\))")
_LANGUAGES = {
    ".py": "python",
    ".toml": "toml",
    ".json": "json",
    ".j2": "c",
    ".c": "c",
    ".h": "c",
    ".S": "gas",
}
_IMAGES = {".png", ".svg"}
_BINARY = {".npz", ".parquet"}


def linked_files(text: str, file: str) -> set[str]:
    """Return the paths, from the root, of what the Markdown of `file` links to in the repository."""
    found = set()
    for part in _FENCED.split(text)[::2]:
        for _, target, _ in _LINK.findall(part):
            name = target.partition("#")[0]
            if name and ":" not in name:
                found.add(posixpath.normpath(posixpath.join(posixpath.dirname(file), name)))
    return found


def page_of(path: str) -> str:
    """Return the page or file of the site that shows a file or folder of the repository."""
    if path in PLACED:
        return PLACED[path]
    if (ROOT / path).is_dir():
        return f"{SHOWN}/{path}/index.md"
    if path.startswith("docs/"):
        return path[len("docs/") :].replace(".ipynb", ".md")
    return f"{SHOWN}/{path}" if path.endswith(".md") else f"{SHOWN}/{path}.md"


def with_site_links(text: str, file: str) -> str:
    """Return the Markdown of `file` with its links as the site needs them, relative to its page."""
    here = posixpath.dirname(page_of(file))

    def moved(link: re.Match[str]) -> str:
        name, mark, anchor = link[2].partition("#")
        if not name or ":" in name:
            return link[0]
        target = page_of(posixpath.normpath(posixpath.join(posixpath.dirname(file), name)))
        return f"{link[1]}{posixpath.relpath(target, here or '.')}{mark}{anchor}{link[3]}"

    parts = _FENCED.split(text)
    parts[::2] = [_LINK.sub(moved, part) for part in parts[::2]]
    return "".join(parts)


def shown_files(pages: dict[str, str]) -> dict[str, str]:
    """Return the Markdown of every page that shows files outside `docs/`, by the file's path.

    pages: the Markdown of the pages so far, by their files' paths. Markdown that is shown may link further.
    """
    made: dict[str, str] = {}
    new = dict(pages)
    while new:
        wanted = {path for file, text in new.items() for path in linked_files(text, file)}
        outside = {path for path in wanted if page_of(path).startswith(f"{SHOWN}/")}
        new = {path: _shown(path) for path in sorted(outside - made.keys())}
        made.update(new)
        new = {path: text for path, text in new.items() if path.endswith(".md")}
    return made


def _shown(path: str) -> str:
    file = ROOT / path
    if path.endswith(".md"):
        return file.read_text(encoding="utf-8")
    if not file.is_dir():
        return f"# `{path}`\n\n{_code(file)}\n"
    parts = [f"# `{path}/`\n"]
    for one in sorted(file.rglob("*")):
        if one.suffix in _IMAGES:
            parts.append(f"![{one.name}]({file.name}/{one.relative_to(file).as_posix()})\n")
        elif one.is_file() and "__pycache__" not in one.parts and one.suffix not in _BINARY:
            parts.append(f"## `{one.relative_to(file).as_posix()}`\n\n{_code(one)}\n")
    return "\n".join(parts)


def _code(file: Path) -> str:
    text = file.read_text(encoding="utf-8").rstrip("\n")
    fence = "`" * max(4, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{fence}{_LANGUAGES.get(file.suffix, 'text')}\n{text}\n{fence}"
