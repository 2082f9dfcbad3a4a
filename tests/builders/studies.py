"""Studies on disk as their stages leave them, with random students in place of trained ones."""

from __future__ import annotations

import re
from pathlib import Path

from builders.students import random_model, random_student

from mcukd.data.card import load_card
from mcukd.data.load import load_windows
from mcukd.fixedpoint.model import save_model
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.fixedpoint.reference import as_stream
from mcukd.harness.recorded import keep_recorded
from mcukd.resources import resource_dir
from mcukd.study import Study


def quantized_study(path: Path, seed: int = 0) -> Study:
    """A study with nothing but an integer model in it."""
    study = Study.create(path, "herd-sim", 0)
    study.finish("quantize", inputs={}, options={}, outputs=save_model(random_model(seed), study.path))
    return study


def simulated_study(
    path: Path,
    seed: int = 0,
    range_g: int = 4,
    counts_per_g: int = 512,
    steps: int = 256,
    stream: bool = False,
) -> Study:
    """A study of two simulated animals and a random student.

    steps: samples of a window. The UART of an emulated board takes some 260 µs for a byte.
    stream: whether the model's state is carried.
    """
    text = (resource_dir("datasets") / "herd-sim.toml").read_text()
    text = re.sub(r"(?m)^animals = .*", "animals = 2", text)
    text = re.sub(r"(?m)^minutes_per_animal = .*", "minutes_per_animal = 20", text)
    text = re.sub(r"(?m)^range_g = .*", f"range_g = {range_g}", text)
    text = re.sub(r"(?m)^counts_per_g = .*", f"counts_per_g = {counts_per_g}", text)
    text = re.sub(r"(?m)^(length|hop) = .*", rf"\1 = {steps}", text)
    text = re.sub(r"(?m)^train_hop = .*", f"train_hop = {steps // 2}", text)
    text = re.sub(r"(?m)^operation_hop = .*", f"operation_hop = {steps // 4}", text)
    card_file = path.parent / f"{path.name}.toml"
    card_file.write_text(text)
    card = load_card(str(card_file))
    sample = load_windows(card, None, seed=0)
    student = random_student(seed, hidden=8, dense=8, classes=len(card.classes))
    model = quantize(student, sample, QuantizeConfig(8, 16), operation_hop=card.operation_hop)
    model = as_stream(model) if stream else model
    study = Study.create(path, str(card_file), 0)
    keep_recorded(study, sample, card.signal.range_g)
    study.finish("quantize", inputs={}, options={}, outputs=save_model(model, study.path))
    return study
