"""Questions at the terminal: what was found, the answers there are, and what each would mean."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from mcukd.text import did_you_mean

if TYPE_CHECKING:
    from mcukd.data.importer.options import Choice

WIDTH = 80


def at_terminal(question: str, flag: str, choices: Sequence[Choice], default: str | None) -> str:
    """Print a question with its numbered answers and return the value that was chosen.

    flag: what states the answer without being asked. Takes a number or a value, and asks again where it is
    neither. Without choices any text is an answer.
    """
    print("\n".join(question_lines(question, flag, choices)))
    values = [one.value for one in choices]
    while True:
        prompt = "Number or value" if choices else f"Value of {flag}"
        answer = str(typer.prompt(prompt, default=default)).strip()
        if answer in values or (answer and not choices):
            return answer
        if answer.isdigit() and 1 <= int(answer) <= len(values):
            return values[int(answer) - 1]
        if choices:
            print(f"{answer!r} is none of these{did_you_mean(answer, values)}; type {_numbers(len(values))}.")


def _numbers(number: int) -> str:
    """Return the numbers of so many answers: "1", "1 or 2", "1 to 3"."""
    return "1" if number == 1 else f"1 {'or' if number == 2 else 'to'} {number}"


def question_lines(question: str, flag: str, choices: Sequence[Choice]) -> list[str]:
    """Return a question and its answers as lines that fit a terminal of 80 columns."""
    lines = textwrap.wrap(f"{question[:1].upper()}{question[1:]}.", WIDTH)
    for number, one in enumerate(choices, 1):
        text = f"{number:>3}  {one.value}" + (f": {one.meaning}" if one.meaning else "")
        lines += textwrap.wrap(text, WIDTH, subsequent_indent=" " * 7)
    return [*lines, *textwrap.wrap(f"({flag} answers this beforehand.)", WIDTH)]
