"""Questions of the import: choices and their meaning, at a terminal and without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from mcukd.cli.asking import WIDTH, at_terminal, question_lines
from mcukd.data.importer.options import Choice, Dialog
from mcukd.errors import UserError

CHOICES = (
    Choice("folder", "the animals bella, rocky"),
    Choice("part 1 of the name", "the animals 02, 03"),
)


def test_without_a_terminal_the_choices_are_listed_with_their_meanings_and_the_flag() -> None:
    with pytest.raises(UserError) as caught:
        Dialog().choose("two parts of the paths may name the animal", "--animal-from", CHOICES)
    assert str(caught.value) == (
        "two parts of the paths may name the animal; say which with --animal-from: folder (the animals "
        "bella, rocky) or 'part 1 of the name' (the animals 02, 03)"
    )


def test_yes_stops_where_no_reading_is_likelier() -> None:
    with pytest.raises(UserError, match="--animal-from"):
        Dialog(yes=True).choose("two parts may name the animal", "--animal-from", CHOICES)
    assert Dialog(yes=True).choose("which", "--animal-from", CHOICES, "folder") == "folder"


@pytest.mark.parametrize("answer", ["fodler", "", "3"])
def test_an_answer_that_is_no_choice_is_refused(answer: str) -> None:
    def ask(question: str, flag: str, choices: Sequence[Choice], default: str | None) -> str:
        return answer

    with pytest.raises(UserError, match="expected folder"):
        Dialog(ask=ask).choose("which", "--animal-from", CHOICES)


def typed(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    prompts: list[str] = []
    waiting = list(answers)

    def prompt(text: str, **_: Any) -> str:
        prompts.append(text)
        return waiting.pop(0)

    monkeypatch.setattr("mcukd.cli.asking.typer.prompt", prompt)
    return prompts


@pytest.mark.parametrize("answers", [("2",), ("part 1 of the name",), ("9", "fodler", "2")])
def test_the_terminal_takes_a_number_or_a_value_and_asks_again(
    answers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = typed(monkeypatch, *answers)
    found = Dialog(ask=at_terminal).choose("two parts may name the animal", "--animal-from", CHOICES)
    assert found == "part 1 of the name" and prompts == ["Number or value"] * len(answers)
    shown = capsys.readouterr().out
    assert "Two parts may name the animal." in shown and "1  folder: the animals bella, rocky" in shown
    assert ("did you mean 'folder'" in shown) == ("fodler" in answers)


def test_a_value_that_is_a_number_is_the_value_and_not_the_number_of_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    typed(monkeypatch, "2")
    assert Dialog(ask=at_terminal).choose("which", "--rate", ["2", "1"]) == "2"


def test_a_question_without_choices_says_what_is_to_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = typed(monkeypatch, "25")
    assert Dialog(ask=at_terminal).choose("no stamps tell the sampling rate", "--rate HZ") == "25"
    assert prompts == ["Value of --rate HZ"]


def test_a_question_fits_a_terminal_of_80_columns() -> None:
    long = Choice("folder", "the animals " + ", ".join(f"animal{number}" for number in range(30)))
    lines = question_lines("which part of the paths names the animal" * 3, "--animal-from", [long, *CHOICES])
    assert max(len(line) for line in lines) <= WIDTH


@pytest.mark.parametrize("wrong", ["abbey", "0", "-5", "nan", "inf", "25 Hz"])
def test_what_is_no_number_is_asked_again(monkeypatch: pytest.MonkeyPatch, wrong: str, capsys: Any) -> None:
    typed(monkeypatch, wrong, "25")
    assert Dialog(ask=at_terminal).number("no stamps tell the sampling rate", "--rate HZ") == 25
    assert f"'{wrong}' is no number above 0, and no stamps tell" in capsys.readouterr().out.replace("\n", " ")


def test_who_never_types_a_number_is_told_what_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, *["abbey"] * 9)
    with pytest.raises(UserError, match="--rate is 'abbey' where a number above 0 is expected"):
        Dialog(ask=at_terminal).number("no stamps tell the sampling rate", "--rate HZ")


@pytest.mark.parametrize(("number", "words"), [(1, "type 1."), (2, "type 1 or 2."), (3, "type 1 to 3.")])
def test_the_numbers_of_the_answers_are_said(
    monkeypatch: pytest.MonkeyPatch, number: int, words: str, capsys: Any
) -> None:
    typed(monkeypatch, "9", "1")
    at_terminal("which", "--flag", [Choice(f"c{place}") for place in range(number)], None)
    assert words in capsys.readouterr().out
