"""Codes let one browser in, once; wrong ones are few; no secret is on disk."""

import json
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcukd.errors import UserError
from mcukd.observation.web.access import BROWSERS, BROWSERS_MAX, REPLACED_AFTER, TRIES, Access, TooManyTries

NOBODY = Access(Path("no-such-folder"), ["anna"])


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def code_of(access, observer="anna"):
    return next(each.digits for each in access.codes if each.observer == observer)


def wrong(access):
    return next(
        each for each in ("00000000", "11111111", "22222222") if each not in {c.digits for c in access.codes}
    )


def test_a_code_lets_its_observer_in_once_and_another_takes_its_place(tmp_path):
    shown = []
    access = Access(tmp_path, ["anna", "ben"], shown.append)
    first = code_of(access, "ben")
    observer, secret = access.enter(f"{first[:4]} {first[4:]}")
    assert observer == access.observer_of(secret) == "ben"
    assert access.enter(first) is None
    assert [each.observer for each in shown] == ["ben"] and shown[0].digits != first
    assert len(first) == 8 and set(first) <= set(string.digits)


def test_a_browser_goes_on_after_a_restart_and_its_secret_is_not_on_disk(tmp_path):
    access = Access(tmp_path, ["anna"])
    _, secret = access.enter(code_of(access))
    assert Access(tmp_path, ["anna"]).observer_of(secret) == "anna"
    assert secret not in (tmp_path / BROWSERS).read_text()
    # An observer who is not served now cannot come in by an old secret.
    assert Access(tmp_path, ["ben"]).observer_of(secret) is None


@given(st.text(max_size=40))
def test_no_other_secret_is_anybodys(guess):
    assert NOBODY.observer_of(guess) is None


def test_wrong_codes_are_few_and_a_right_one_has_to_wait_too(tmp_path):
    clock = Clock()
    access = Access(tmp_path, ["anna"], clock=clock)
    for _ in range(TRIES):
        assert access.enter(wrong(access)) is None
    with pytest.raises(TooManyTries):
        access.enter(code_of(access))
    clock.now += 61
    assert access.enter(code_of(access)) is not None


def test_codes_are_replaced_after_many_wrong_tries(tmp_path):
    clock = Clock()
    shown = []
    access = Access(tmp_path, ["anna", "ben"], shown.append, clock)
    before = [each.digits for each in access.codes]
    for _ in range(REPLACED_AFTER):
        clock.now += 30
        access.enter(wrong(access))
    assert [each.observer for each in shown] == ["anna", "ben"]
    assert before != [each.digits for each in access.codes]


def test_the_oldest_browser_loses_its_access(tmp_path):
    access = Access(tmp_path, ["anna"])
    secrets = [access.enter(code_of(access))[1] for _ in range(BROWSERS_MAX + 1)]
    assert access.observer_of(secrets[0]) is None
    assert access.observer_of(secrets[1]) == access.observer_of(secrets[-1]) == "anna"
    assert len(json.loads((tmp_path / BROWSERS).read_text())["anna"]) == BROWSERS_MAX


def test_a_code_is_not_used_up_where_the_browser_cannot_be_remembered(tmp_path):
    access = Access(tmp_path, ["anna"])
    (tmp_path / BROWSERS).mkdir()
    code = code_of(access)
    with pytest.raises(OSError, match=BROWSERS):
        access.enter(code)
    (tmp_path / BROWSERS).rmdir()
    assert access.enter(code) is not None


@pytest.mark.parametrize("content", ["no json", "[]", '{"anna": "text"}', '{"anna": ["\u00e4"]}'])
def test_a_damaged_file_of_browsers_is_said(tmp_path, content):
    (tmp_path / BROWSERS).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="remove the file"):
        Access(tmp_path, ["anna"])
