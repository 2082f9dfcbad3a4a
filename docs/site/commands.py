"""Pages of the commands, from what `--help` tells: one a command, made whenever the site is built.

They are not committed: a page that is made from the command line cannot say anything else than it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

#: Examples in help texts, as `[bold]mcukd …[/bold]`.
_EXAMPLE = re.compile(r"^Examples?: (?P<bold>\[bold\].*\[/bold\])(?P<rest>.*)$", re.S)
_BOLD = re.compile(r"\[bold\](.*?)\[/bold\]", re.S)


def command_line() -> Any:
    """Return the command line of mcukd as a tree of click's commands."""
    from mcukd.cli.app import app

    return typer.main.get_command(app)


def walked(command: Any = None, words: tuple[str, ...] = ("mcukd",), above: Any = None) -> Iterator[tuple]:
    """Yield every command that is not hidden as (words, command, context), groups before what is in them."""
    command = command or command_line()
    context = command.context_class(command, info_name=words[-1], parent=above)
    yield words, command, context
    for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
        below = command.get_command(context, name)
        if not below.hidden:
            yield from walked(below, (*words, name), context)


def page_of(words: tuple[str, ...], is_group: bool) -> str:
    """Return the page of a command, `commands/data/import.md` of `mcukd data import`."""
    return "/".join(("commands", *words[1:])) + ("/index.md" if is_group else ".md")


def command_pages() -> dict[str, str]:
    """Return the Markdown of all pages by their names."""
    return {
        page_of(words, hasattr(command, "commands")): "\n".join(_page(words, command, context))
        for words, command, context in walked()
    }


def examples(command: Any) -> list[str]:
    """Return the commands that a command's help gives as examples."""
    found = (_EXAMPLE.match(part) for part in (command.help or "").split("\n\n"))
    return [line for part in found if part for line in _BOLD.findall(part["bold"])]


def _page(words: tuple[str, ...], command: Any, context: Any) -> Iterator[str]:
    yield f"# {' '.join(words)}\n"
    for part in (command.help or "").split("\n\n"):
        if part and not _EXAMPLE.match(part):
            yield _prose(part) + "\n"
    shown = examples(command)
    if shown:
        yield "```\n" + "\n".join(shown) + "\n```\n"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"## Usage\n\n```text\n{' '.join(words)} {usage}\n```\n"
    if hasattr(command, "commands"):
        yield from _commands(words, command, context)
    arguments = [one for one in command.params if one.param_type_name == "argument" and not one.hidden]
    if arguments:
        yield "## Arguments\n\n| argument | meaning |\n|---|---|"
        for one in arguments:
            name, meaning = one.get_help_record(context)
            yield f"| `{_cell(name)}` | {_cell(_prose(meaning))} |"
        yield ""
    panels: dict[str, list[Any]] = {}
    for one in command.get_params(context):
        if one.param_type_name == "option" and not one.hidden:
            panels.setdefault(getattr(one, "rich_help_panel", None) or "Options", []).append(one)
    for title, options in panels.items():
        yield f"## {title}\n\n| option | meaning |\n|---|---|"
        yield from (_option(one, context) for one in options)
        yield ""
    yield "*Made from the command's own `--help`.*\n"


def _commands(words: tuple[str, ...], command: Any, context: Any) -> Iterator[str]:
    yield "## Commands\n\n| command | what it does |\n|---|---|"
    heading = None
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        if not below.hidden:
            above, heading = heading, getattr(below, "rich_help_panel", None)
            if isinstance(heading, str) and heading != above:
                yield f"| **{heading}** | |"
            here = page_of(words, True)[: -len("index.md")]
            link = page_of((*words, name), hasattr(below, "commands"))[len(here) :]
            first = _prose((below.help or "").split("\n\n")[0])
            yield f"| [`{' '.join((*words, name))}`]({link}) | {_cell(first)} |"
    yield ""


def _option(one: Any, context: Any) -> str:
    names, meaning = one.get_help_record(context)
    shown = " ".join(f"`{_cell(part)}`" for part in re.split(r"\s+/\s+|,\s+", names))
    return f"| {shown} | {_cell(_prose(meaning))} |"


def _prose(text: str) -> str:
    """Return a help text as Markdown: bold words as code, what Markdown would read otherwise as it stands."""
    parts = _BOLD.split(" ".join(text.split()))
    parts[::2] = [re.sub(r"([\\`*_<>\[\]])", r"\\\1", part) for part in parts[::2]]
    parts[1::2] = [f"`{part}`" for part in parts[1::2]]
    return "".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
