"""The demo: the whole pipeline, minutes long."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.emulator
def test_demo_ends_with_two_proven_boards_a_table_and_a_report(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mcukd", "demo", "--windows", "20", "--json"]
    first = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    facts = json.loads(first.stdout)
    kinds = {"collar": "modelled chip", "eartag": "modelled chip"}
    kinds |= {f"{board}-emulated": "qemu" for board in kinds}
    assert list(facts["validations"]) == list(kinds)
    for board, kind in kinds.items():
        proof = facts["validations"][board]
        assert proof["windows"] >= 20 and proof["reached"]["kind"] == kind
        assert proof["mismatches"] == 0
        assert proof["emulated"]
    assert (tmp_path / facts["report"]).read_text().startswith("<!DOCTYPE html>")

    models = json.loads((tmp_path / "runs/demo/metrics.json").read_text())["models"]
    assert set(models) == {"teacher", "student", "student_distilled", "fixed_point_8", "tflite_int8"}
    assert models["student_distilled"]["mcc"] > 0.6
    assert abs(models["fixed_point_8"]["mcc"] - models["student_distilled"]["mcc"]) < 0.03

    integers = (tmp_path / "runs/demo/fixedpoint.npz").read_bytes()
    second = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr
    assert (tmp_path / "runs/demo/fixedpoint.npz").read_bytes() == integers
