"""Generated C of the CNN: its golden files, full windows, and products on a core with the DSP extension."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from builders.cnn import STEPS, cnn_model
from builders.compile import HostModel
from builders.filter_mlp import windows_of
from builders.places import GOLDEN

from mcukd.codegen.firmware import generate_model
from mcukd.profiling.image import build_image


@pytest.mark.parametrize("name", ["mcukd_model.c", "mcukd_model.h"])
def test_generated_c_equals_the_golden_files(tmp_path: Path, name: str) -> None:
    """Regenerate with `make golden` after an intended change, and read the difference."""
    generate_model(cnn_model(0, filters=2, steps=24), tmp_path)
    assert (tmp_path / name).read_text() == (GOLDEN / "cnn" / name).read_text()


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")
def test_a_full_window_makes_no_more_outputs_and_keeps_their_sums(tmp_path: Path) -> None:
    host = HostModel(cnn_model(0), tmp_path)
    got = host.trace(windows_of(steps=STEPS + 9, seed=5).counts[0])
    assert not any(got[-1]["conv1_out"]) and got[-1]["pooled_low"] == got[STEPS - 1]["pooled_low"]


@pytest.mark.emulator
def test_a_core_with_the_dsp_extension_multiplies_two_halfwords_at_a_time(tmp_path: Path) -> None:
    generate_model(cnn_model(0), tmp_path)
    for core, expected in (("m3", False), ("m4f", True)):
        names = {instruction.mnemonic for instruction in build_image(tmp_path, core).disassembly().values()}
        assert ("smlad" in names) == expected
