"""Options of a stage's command with which it does the same again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcukd.boards.model import Board, load_board
from mcukd.fixedpoint.config import QuantizeConfig
from mcukd.fixedpoint.gates import GATE_TABLES
from mcukd.fixedpoint.mixed import Objective
from mcukd.models.tflite_widths import TFLITE_WIDTHS
from mcukd.pipeline import repeating
from mcukd.pipeline.quantize_request import QuantizeRequest
from mcukd.pipeline.unknown import RefusalOptions, parse_refusal

INT8 = (TFLITE_WIDTHS["int8"],)
USUAL = QuantizeRequest(QuantizeConfig(), "gru-mlp", False, INT8, False, None, tuple(GATE_TABLES), None, "")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, "--bits 8"),
        ({"config": QuantizeConfig(4, 12), "qat": True}, "--bits 4 --activation-bits 12 --qat"),
        ({"config": QuantizeConfig(8, 16, "direct"), "files": ()}, "--bits 8 --gates direct --no-tflite"),
        ({"files": (), "remark": "No TFLite model: none is made of these."}, "--bits 8"),
        ({"files": (TFLITE_WIDTHS["int16x8"],)}, "--bits 8 --tflite int16x8"),
        ({"files": tuple(TFLITE_WIDTHS.values())}, "--bits 8 --tflite both"),
        (
            {"objective": Objective(budget_flash=3072), "gate_tables": ("direct",)},
            "--bits auto --budget-flash 3072 --gates direct",
        ),
        ({"objective": Objective(max_mcc_drop=0.005)}, "--bits auto --max-mcc-drop 0.005"),
        ({"objective": Objective()}, "--bits auto"),
        ({"refusal": RefusalOptions(share=0.1, unlike=0.05)}, "--bits 8 --unknown 0.1 --unlike 0.05"),
        ({"refusal": RefusalOptions(risk=0.05)}, "--bits 8 --unknown risk=0.05"),
        ({"refusal": RefusalOptions(unlike=1 / 3)}, "--bits 8 --unlike 0.3333333333333333"),
    ],
)
def test_quantize_is_run_again_as_it_was_run(asked: dict[str, Any], expected: str) -> None:
    assert " ".join(repeating.of_quantize(replace(USUAL, **asked))) == expected


def test_a_rule_is_asked_for_again_as_it_was() -> None:
    for unknown, unlike in ((None, 0.05), ("0.125", None), ("risk=0.02", 0.1)):
        refusal = parse_refusal(unknown, unlike)
        options = repeating.of_quantize(replace(USUAL, refusal=refusal))[2:]
        given = dict(zip(options[::2], options[1::2]))
        unlike_again = float(given["--unlike"]) if "--unlike" in given else None
        assert parse_refusal(given.get("--unknown"), unlike_again) == refusal


@pytest.fixture
def mine(tmp_path: Path) -> Board:
    """A board file of one's own, built for size unless told."""
    source = load_board("collar").path
    assert source is not None
    text = source.read_text(encoding="utf-8").replace('name = "collar"', 'name = "mine"')
    path = tmp_path / "mine.toml"
    path.write_text('optimize = "size"\n' + text.replace('optimize = "speed"\n', ""), encoding="utf-8")
    return load_board(str(path))


def test_boards_are_named_as_they_are_given(mine: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mine.path is not None
    monkeypatch.chdir(mine.path.parents[1])
    below = f"{mine.path.parent.name}/mine.toml"
    assert repeating.of_build(mine) == ["--board", below]
    (mine.path.parent / "other").mkdir()
    monkeypatch.chdir(mine.path.parent / "other")
    collar = load_board("collar")
    assert repeating.of_build(collar) == ["--board", "collar"]
    assert repeating.of_build(collar.with_optimize("size")) == ["--board", "collar", "--optimize", "size"]
    assert repeating.of_build(mine) == ["--board", "mine.toml"]
    assert repeating.of_build(mine.with_optimize("speed")) == ["--board", "mine.toml", "--optimize", "speed"]
    assert repeating.of_validate(collar, False, 50, 200)[2:] == ["--port", "PORT", "--windows", "50"]
    assert repeating.of_validate(collar, True, 200, 200)[2:] == ["--emulate"]
    assert repeating.of_energy(collar, 5.0, None, 5.0)[2:] == []
    small = collar.with_optimize("size")
    assert repeating.of_energy(small, 5.0, 1 / 60, 5.0)[2:] == [
        *("--optimize", "size", "--awake-share", "0.016666666666666666")
    ]
    assert repeating.of_energy(collar, 7.5, None, 5.0)[2:] == ["--minutes", "7.5"]
    assert repeating.of_energy(collar, 5.0, 0.019, 5.0)[2:] == ["--awake-share", "0.019"]


def test_robustness_is_run_again_with_what_is_recorded() -> None:
    from mcukd.robustness.perturbations import PERTURBATIONS

    recorded = {"disturbances": {"flip": [0, 1]}, "integers": False, "augmented": None}
    assert repeating.of_robustness(recorded) == ["--perturbations", "flip", "--no-integers"]
    recorded = {
        "disturbances": {name: [1] for name in PERTURBATIONS},
        "integers": True,
        "augmented": "runs/b",
    }
    assert repeating.of_robustness(recorded) == ["--augmented", "runs/b"]
