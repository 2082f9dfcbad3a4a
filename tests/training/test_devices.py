"""Devices to train on, and the error without a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.commands import mcukd

from mcukd.distillation.config import DistillConfig
from mcukd.errors import UserError
from mcukd.training import devices


@pytest.mark.parametrize("answer", ["0", ""])
def test_a_card_that_tensorflow_does_not_see_is_one_sentence(
    answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "COUNT_DEVICES", f"print('{answer}')")
    with pytest.raises(UserError, match="--device gpu: TensorFlow sees no graphics card here"):
        devices.require_device("gpu")
    devices.require_device("cpu")


def test_a_card_that_is_there_is_taken_by_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "COUNT_DEVICES", "print(2)")
    monkeypatch.setattr("os.cpu_count", lambda: 7)
    devices.require_device("gpu")
    assert (devices.usual_workers("gpu"), devices.usual_workers("cpu")) == (1, 7)


def test_the_device_is_recorded_only_when_asked_for() -> None:
    assert "device" not in DistillConfig().options()
    assert DistillConfig.of(DistillConfig(device="gpu").options()).device == "gpu"
    with pytest.raises(UserError, match="--device is 'gpus'.*did you mean 'gpu'"):
        DistillConfig(device="gpus")


def test_no_study_is_begun_without_the_device_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    result = mcukd("distill", "--device", "gpu", "--run", str(tmp_path / "run"))
    assert result.returncode == 2 and "no graphics card" in result.stderr
    assert not (tmp_path / "run").exists()
