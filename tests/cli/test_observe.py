"""`mcukd observe` as a user types it: scripts, options that do not fit, resuming, the emulated tag."""

import io
import json
import sys

import pytest
from builders.commands import mcukd
from builders.session import BEGAN, NS, connected, facts, step_clock, told
from builders.studies import quantized_study

from mcukd.fixedpoint.model import load_model
from mcukd.observation.account import session_tracks
from mcukd.observation.folder import observers_of, read_events, read_facts
from mcukd.observation.session import Session

SCRIPT = "b cow-07 grazing\nb cow-07 walking\nundo\nnote wind\n"
WITHOUT = ("observe", "--no-tag", "--zone", "UTC")


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "keys.txt"
    path.write_text(SCRIPT)
    return path


def begin(tmp_path, script, *more):
    return mcukd(
        *WITHOUT, "--animal", "cow-07", "--classes", "grazing,walking", "--session", "s",
        "--observer", "anna", "--script", str(script), *more, cwd=tmp_path,
    )  # fmt: skip


def test_a_script_is_taken_and_each_event_is_printed(tmp_path, script):
    found = begin(tmp_path, script)
    assert found.returncode == 0
    assert found.stdout.splitlines() == [
        "2 behaviour cow-07 grazing", "3 behaviour cow-07 walking", "4 undo 3", "5 note wind",
    ]  # fmt: skip
    assert "mcukd agree s" in found.stderr
    assert len(read_events(tmp_path / "s" / "observer-anna.jsonl", read_facts(tmp_path / "s"))) == 5


def test_a_session_is_resumed_and_joined_and_not_overwritten(tmp_path, script):
    begin(tmp_path, script)
    again = begin(tmp_path, script)
    assert again.returncode == 2 and "a session is there; --resume" in again.stderr
    more = mcukd(*WITHOUT[:2], "--resume", "--session", "s", "--observer", "anna", "--script", str(script),
                 "--json", cwd=tmp_path)  # fmt: skip
    assert [json.loads(line)["number"] for line in more.stdout.splitlines()] == [7, 8, 9, 10]
    joined = mcukd(*WITHOUT[:2], "--resume", "--session", "s", "--observer", "ben", "--script", str(script),
                   cwd=tmp_path)  # fmt: skip
    assert joined.returncode == 0 and observers_of(tmp_path / "s") == ["anna", "ben"]
    assert list(session_tracks(tmp_path / "s").between_observers()) == ["anna and ben"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--animal", "a", "--classes", "x"), "no tag is named; give one of"),
        (("--animal", "a", "--no-tag", "--emulate", "collar"), "--emulate, --no-tag are given; give one"),
        (("--no-tag", "--classes", "x"), "no animal is named; give --animal"),
        (("--animal", "a", "--no-tag"), "no study there"),
        (
            ("--animal", "a", "--animal", "b", "--port", "p", "--classes", "x"),
            "say which of a, b wears the tag",
        ),
        (("--animal", "a", "--no-tag", "--classes", "x", "--zone", "Mars"), "the time zone is 'Mars'"),
        (("--animal", "a", "--no-tag", "--classes", "x", "--observer", "a/b"), "observer 'a/b'"),
        (("--animal", "a", "--no-tag", "--classes", "x, x"), "behaviour 'x' is there twice"),
        (("--resume", "--no-tag"), "no session is in sessions"),
        (("--resume", "--session", "nowhere", "--no-tag"), "no session is there"),
        (("--resume", "--emulate", "collar"), "begin another session"),
        (("--animal", "a", "--no-tag", "--classes", "x", "--script", "missing"), "No such file"),
        (("--demo", "--script", "keys.txt"), "leave --script out"),
        (("--demo",), "the screen needs a terminal; give --web"),
    ],
)
def test_options_that_do_not_fit_are_one_sentence_and_nothing_is_written(
    tmp_path, script, monkeypatch, arguments, message
):
    monkeypatch.delenv("MCUKD_PORT", raising=False)
    before = sorted(tmp_path.rglob("*"))
    script_given = () if "--script" in arguments or "--demo" in arguments else ("--script", str(script))
    found = mcukd("observe", *arguments, *script_given, cwd=tmp_path)
    assert found.returncode == 2 and message in found.stderr and found.stderr.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_session_that_goes_on_keeps_what_it_was(tmp_path, script):
    begin(tmp_path, script)
    found = mcukd(*WITHOUT[:2], "--resume", "--session", "s", "--animal", "cow-09", "--observer", "anna",
                  "--script", str(script), cwd=tmp_path)  # fmt: skip
    assert found.returncode == 2 and "the session has cow-07 from its begin on" in found.stderr


def test_a_script_that_cannot_be_read_begins_no_session(tmp_path, script):
    script.write_text(SCRIPT + "c cow-07\n")
    found = begin(tmp_path, script)
    assert found.returncode == 2 and "keys.txt, line 5: command 'c' is not known" in found.stderr
    assert not (tmp_path / "s").exists()


def test_a_line_that_cannot_be_taken_is_named_and_those_before_are_kept(tmp_path, script):
    script.write_text(SCRIPT + "b cow-08 grazing\n")
    found = begin(tmp_path, script)
    assert found.returncode == 2 and "keys.txt, line 5: animal 'cow-08'" in found.stderr
    assert len(read_events(tmp_path / "s" / "observer-anna.jsonl", read_facts(tmp_path / "s"))) == 5


def test_keys_are_taken_from_standard_input_while_the_port_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("b cow-07 class-0\n"))
    quantized_study(tmp_path / "runs" / "random")
    found = mcukd("observe", "--port", "/dev/not-there", "--zone", "UTC", "--animal", "cow-07", "--run",
                  "runs/random", "--session", "s", "--script", "-", cwd=tmp_path)  # fmt: skip
    assert found.returncode == 0 and found.stdout == "2 behaviour cow-07 class-0\n"
    facts = read_facts(tmp_path / "s")
    assert facts.tagged == "cow-07" and facts.classes[0] == "class-0" and facts.model_sha256


def test_a_tags_journal_is_replayed_in_another_session(tmp_path, monkeypatch):
    model = load_model(quantized_study(tmp_path / "runs" / "random").path)
    facts_then = facts(classes=model.classes, model_sha256=model.sha256)
    tag = connected(classes=len(model.classes), model_sha256=model.sha256)
    with Session.begin(tmp_path / "then", facts_then, step_clock()) as session:
        for moment in [tag, *told([0, 1] * 20)[1:]]:
            session.take(moment)
    monkeypatch.setattr(sys, "stdin", io.StringIO("b cow-07 class-0\n+40 note seen again\n"))
    found = mcukd("observe", "--replay", "then/tag-00c0ffee00c0ffee.jsonl", "--speed", "60", "--zone", "UTC",
                  "--animal", "cow-07", "--run", "runs/random", "--session", "s", "--script", "-",
                  cwd=tmp_path)  # fmt: skip
    assert found.returncode == 0, found.stderr
    account = session_tracks(tmp_path / "s")
    assert account.facts.simulated and account.emulated
    assert len(account.tags[0]) > 20 and abs(account.facts.began_ns - BEGAN) < NS


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("b cow grazing\ncorrect 2 grazing walking\n", "s.txt, line 2: one behaviour and one time at most"),
        ("b cow grazing\ncorrect 2 +nan\n", "s.txt, line 2: '+nan' is no time"),
    ],
)
def test_a_correction_that_says_two_things_is_refused(tmp_path, script, sentence):
    """Trap: the last of two behaviours was taken. The script begins with the mark of a Windows editor."""
    (tmp_path / "s.txt").write_text(script, encoding="utf-8-sig")
    options = (
        "--no-tag",
        "--zone",
        "UTC",
        "--animal",
        "cow",
        "--classes",
        "grazing,walking",
        "--session",
        "s",
    )
    ended = mcukd("observe", *options, "--script", "s.txt", cwd=tmp_path)
    assert ended.returncode == 2 and ended.stderr.startswith(f"mcukd: {sentence}")
    assert ended.stdout.startswith("2 behaviour cow grazing")
