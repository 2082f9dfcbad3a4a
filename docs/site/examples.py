"""Commands in the pages: where they stand, which of them tests run, and what a page says about that.

`examples.toml` lists the commands that tests run, page by page. All others are read by the command line's own
parser and not run, which the site says below them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repository import ROOT

from mcukd.config_files import load_toml

#: Pages whose commands count.
PAGES = ("*.md", "docs/**/*.md", "experiments/*.md")
_BLOCK = re.compile(r"^(?P<indent> *)```(?P<kind>[a-z]*)[^\n]*\n(?P<text>.*?)^ *```[ ]*$", re.S | re.M)
_KINDS = ("", "console", "sh", "bash")
#: A remark behind a command: after `#`, or in a column of its own.
_REMARK = re.compile(r"\s+#\s.*$|\s{2,}\S.*$")
#: Why a command is not run, by what is in it; the first that fits.
_REASONS = (
    (r"--port\b|log time", "a tag on a serial line"),
    (r"--scheduler", "a cluster"),
    (r"^make\b", "the checkout itself"),
    (r"\bdoctor\b", "the tools of your computer"),
    (r"\bobserve\b|--session\b", "somebody at a screen"),
    (r"cow-collar|arm20c", "recordings that are not in the repository"),
    (r"\bdemo\b|\bdistill\b|\bsweep\b|--emulate\b|\brobustness\b|\bbench\b", "minutes of computing"),
    (r"", "files of yours"),
)


@dataclass(frozen=True)
class Example:
    """A command as a page shows it: its file, line, words, and what a test adds to them if it runs it."""

    file: str
    line: int
    command: str
    added: str | None

    @property
    def words(self) -> list[str]:
        """The command's words, without what the shell would do with its output."""
        return shlex.split(re.sub(r"\s>\s.*$", "", self.command))

    @property
    def run(self) -> bool:
        """Whether a test runs it."""
        return self.added is not None

    @property
    def needs(self) -> str:
        """What running it would take, where no test does."""
        return next(reason for pattern, reason in _REASONS if re.search(pattern, self.command))


def run_by_tests() -> dict[str, list[dict[str, Any]]]:
    """Return the commands that tests run by page: `starts` of each, and the options that the test adds."""
    found: dict[str, list[dict[str, Any]]] = {}
    for page in load_toml(ROOT / "docs" / "site" / "examples.toml")["page"]:
        found[page["file"]] = page["commands"]
    return found


def examples() -> list[Example]:
    """Return the commands of all pages, in their order."""
    files = sorted({path for pattern in PAGES for path in ROOT.glob(pattern)})
    return [one for path in files for one in examples_of(path)]


def examples_of(path: Path) -> list[Example]:
    """Return the commands of a page."""
    file, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    known = run_by_tests().get(file, [])
    return [one for block in _BLOCK.finditer(text) for one in _of_block(file, text, block, known)]


def with_marks(text: str, file: str) -> str:
    """Return a page with a line below each block of commands that says what tests do with them."""
    known = run_by_tests().get(file, [])

    def marked(block: re.Match[str]) -> str:
        found = list(_of_block(file, text, block, known))
        if not found:
            return block[0]
        note = f'<small class="not-in-the-repository">{_note(found)}</small>'
        return f"{block[0]}\n\n{block['indent']}{note}\n"

    return _BLOCK.sub(marked, text)


def _of_block(file: str, text: str, block: re.Match[str], known: list[dict[str, Any]]) -> Iterator[Example]:
    if block["kind"] not in _KINDS:
        return
    first = text[: block.start("text")].count("\n") + 1
    lines = re.sub(r" *\\\n *", "\0", block["text"]).split("\n")
    for number, line in enumerate(lines):
        at = first + number + sum(one.count("\0") for one in lines[:number])
        bare = line.replace("\0", " ").strip()
        if not re.match(r"(\$ )?(mcukd|make)\s", bare):
            continue
        for command in _REMARK.sub("", re.sub(r"^\$ ", "", bare)).split(" && "):
            added = next((one.get("added", "") for one in known if command.startswith(one["starts"])), None)
            yield Example(file, at, command, added)


def _note(found: list[Example]) -> str:
    run = [one for one in found if one.run]
    more = " ".join(dict.fromkeys(f"`{one.added}`" for one in run if one.added))
    with_more = f", with {more}" if more else ""
    if len(run) == len(found):
        return f"Tests run this on simulated data{with_more}."
    reasons = ", or ".join(dict.fromkeys(one.needs for one in found if not one.run))
    only = f"not run by tests, only parsed: needs {reasons}."
    if not run:
        return only.capitalize()
    numbers = ", ".join(str(number) for number, one in enumerate(found, 1) if one.run)
    which = f"command {numbers}" if len(run) == 1 else f"commands {numbers}"
    return f"Tests run {which} of these on simulated data{with_more}; the others are {only}"
