"""Records of validations: damaged files are refused by key, and failed runs do not count as proofs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from builders import report_study

from mcukd.errors import UserError
from mcukd.harness.record import failures, read_proof, windows_wrong
from mcukd.pipeline.validate import firmware_sizes
from mcukd.report.conclusion import proof_sentence, verdict
from mcukd.report.evidence import gather
from mcukd.report.table import work_per_window
from mcukd.study import Study


@pytest.fixture(scope="module")
def proved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = Study.create(tmp_path_factory.mktemp("runs") / "one", report_study.CARD, 0)
    report_study.finish_distill(study)
    report_study.finish_quantize(study)
    report_study.finish_board(study, "collar")
    return study.path


@pytest.fixture
def study(proved: Path, tmp_path: Path) -> Study:
    """A copy of the study of its own, to damage."""
    return Study.open(shutil.copytree(proved, tmp_path / "one"))


def changed(study: Study, **facts: Any) -> Path:
    """Write a proof with other facts, as if the stage itself had written it; None leaves a key out."""
    path = study.file("validation", "collar.json")
    content = {**json.loads(path.read_text()), **facts}
    path.write_text(json.dumps({key: value for key, value in content.items() if value != "left out"}))
    del study.manifest["stages"]["validate:collar"]
    return path


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"windows": "200"}, "windows is '200', but a valid integer is expected"),
        ({"windows": None}, "windows is None, but a valid integer is expected"),
        ({"windows": 0}, "windows is 0, but a number greater than or equal to 1 is expected"),
        ({"windows": float("nan")}, "windows is nan, but a valid integer is expected"),
        ({"mismatches": -3}, "mismatches is -3, but a number greater than or equal to 0 is expected"),
        ({"mismatches": 300}, "mismatches is 300, but at most all 200 windows differ"),
        ({"mismatches": True}, "mismatches is True, but a valid integer is expected"),
        ({"emulated": "false"}, "emulated is 'false', but a valid boolean is expected"),
        ({"cycles_per_window": "a"}, "cycles_per_window is 'a', but a valid integer is expected"),
        ({"scale": "yes"}, "scale is 'yes', but a JSON object is expected"),
        ({"scale": {"sentence": "a"}}, "the key scale.windows is missing"),
        ({"selftest": "no"}, "selftest is 'no', but a JSON object is expected"),
        ({"reached": "x"}, "reached is 'x', but a JSON object is expected"),
        ({"reached": {"kind": "serial device"}}, "the key reached.through is missing"),
        ({"reached": {"kind": [1], "through": "a"}}, "reached.kind is [1], but a valid string is expected"),
        ({"ran_on": "left out"}, "the key ran_on is missing"),
        ({"board": "eartag"}, "is a proof of board 'eartag', and not of the board it is named after"),
    ],
)
def test_a_damaged_proof_is_refused_by_key_and_command(study: Study, facts: Any, said: str) -> None:
    path = changed(study, **facts)
    with pytest.raises(UserError) as caught:
        gather(study)
    message = str(caught.value)
    assert message.startswith(f"{path}: {said}"), message
    assert message.endswith("; run 'mcukd validate --board collar' again, which writes it anew.")


@pytest.mark.parametrize(
    "raw", [b"", b'{"board": "col', b"[]", b"null", b"\0\0", b"\xff\xfe{}", b"[" * 100_000]
)
def test_a_file_that_is_no_proof_is_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "collar.json"
    path.write_bytes(raw)
    with pytest.raises(UserError, match="collar.json: .*run 'mcukd validate --board collar' again"):
        read_proof(path)


def test_a_folder_in_the_place_of_a_proof_is_refused(tmp_path: Path) -> None:
    (tmp_path / "collar.json").mkdir()
    with pytest.raises(UserError, match="cannot be read as JSON"):
        read_proof(tmp_path / "collar.json")


@pytest.mark.parametrize("key", ["reached", "scale", "selftest", "streaming", "counter_problem"])
def test_keys_of_later_versions_may_be_missing(study: Study, key: str) -> None:
    changed(study, **{key: "left out"})
    assert gather(study).proofs["collar"]["windows"] == 200


@pytest.mark.parametrize(
    ("facts", "wrong", "said"),
    [
        ({"streaming": {"passed": False}}, 1, "but samples streamed as in operation gave another class"),
        (
            {"selftest": {"passed": False, "answers": 3, "wrong_logits": [0, 2], "wrong_states": [2]}},
            2,
            "but its own known-answer test failed",
        ),
        ({"selftest": {"passed": False, "answers": 3}}, 1, "but its own known-answer test failed"),
    ],
)
def test_equal_windows_are_no_proof_where_something_else_failed(
    study: Study, facts: Any, wrong: int, said: str
) -> None:
    changed(study, **facts)
    evidence = gather(study)
    assert f"200 of 200 windows equal bit for bit, {said}" in proof_sentence(evidence)
    assert windows_wrong(evidence.proofs["collar"]) == wrong
    found = verdict(evidence)
    assert found is not None and found.answer == "no"
    assert f"computed {wrong} window{'s' if wrong > 1 else ''} otherwise" in found.headline


def test_a_good_proof_fails_in_nothing(study: Study) -> None:
    proof = gather(study).proofs["collar"]
    assert windows_wrong(proof) == 0 and failures(proof) == []


def test_no_cycles_of_an_earlier_version_are_no_measurement(study: Study) -> None:
    changed(study, cycles_per_window=0, instructions_per_window=None)
    assert work_per_window(gather(study).proofs["collar"]) == "not counted: its counter stood still"
    changed_slow = {
        **gather(study).proofs["collar"],
        "counter_problem": "The cycle counter ran too slowly: …",
    }
    assert work_per_window(changed_slow) == "not counted: its counter ran too slowly"


@pytest.mark.parametrize("raw", ["", "{", "[]", "null", '{"flash_bytes": 3}'])
def test_a_damaged_size_report_costs_no_proof(tmp_path: Path, raw: str) -> None:
    file = tmp_path / "size.json"
    assert firmware_sizes(file) == {"flash_bytes": None, "ram_bytes": None}
    file.write_text(raw)
    assert firmware_sizes(file) == {"flash_bytes": 3 if "3" in raw else None, "ram_bytes": None}
