"""Generated C of the GRU-MLP: the reference's values on this computer, strict compilers, golden files."""

from __future__ import annotations

import ctypes
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.compile import HostModel
from builders.places import GOLDEN
from builders.students import extreme_windows, random_model, random_windows

from mcukd.boards.model import load_board
from mcukd.codegen.firmware import generate_firmware, generate_model, templates_context
from mcukd.codegen.templates import c_string, render_folders
from mcukd.fixedpoint.reference import run, trace

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")


@pytest.mark.parametrize(
    ("bits", "activation_bits", "hidden", "dense"),
    [
        (4, 16, 8, 8),
        (6, 12, 5, 3),
        (8, 8, 16, 16),
        (8, 16, 16, 16),
        (12, 16, 7, 9),
        (16, 16, 32, 16),
        (16, 9, 1, 1),
    ],
)
def test_host_c_equals_the_reference_on_every_value(
    tmp_path: Path, bits: int, activation_bits: int, hidden: int, dense: int
) -> None:
    model = random_model(bits, bits, activation_bits, hidden=hidden, dense=dense)
    host = HostModel(model, tmp_path)
    counts = np.concatenate([random_windows(30, seed=7).counts, extreme_windows(10, 30)])
    outcome = run(model, counts)
    for n, window in enumerate(counts):
        assert host.run(window) == (
            outcome.classes[n], outcome.logits[n].tolist(), outcome.state_crc[n]
        ), f"window {n}"  # fmt: skip
    for got, expected in zip(host.trace(counts[-1]), trace(model, counts[-1])):
        assert got == {name: values.tolist() for name, values in expected.items()}


def test_generated_c_is_the_same_for_the_same_model(tmp_path: Path) -> None:
    for name in ("a", "b"):
        generate_model(random_model(), tmp_path / name)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_generated_c_equals_the_golden_files(tmp_path: Path) -> None:
    """Regenerate with `make golden` after an intended change, and read the difference."""
    generate_model(random_model(0, hidden=4, dense=4, steps=8), tmp_path)
    for file in sorted(tmp_path.iterdir()):
        assert file.read_text() == (GOLDEN / file.name).read_text(), file.name


def test_names_from_the_user_cannot_break_the_c(tmp_path: Path) -> None:
    names = ('gr"az\\ing', "??/ruminating", "Ünruhe", "*/ #error")
    model = replace(random_model(), classes=names, card="*/ #error \\")
    host = HostModel(model, tmp_path)
    found = (ctypes.c_char_p * 4).in_dll(host.library, "mcukd_model_class_names")
    assert tuple(name.decode() for name in found) == names


def testc_string_escapes_do_not_swallow_digits() -> None:
    assert c_string("é1") == '"\\303\\2511"'


def test_files_of_an_earlier_generation_are_removed_and_others_kept(tmp_path: Path) -> None:
    """A firmware's folder is compiled whole; the model alone may be written among the files of a project."""
    generate_firmware(random_model(), load_board("native"), tmp_path / "firmware")
    generate_model(random_model(), tmp_path / "model", "m4f")
    for folder in ("firmware", "model"):
        (tmp_path / folder / "old.c").write_text("")
        (tmp_path / folder / "notes.txt").write_text("mine")
    generate_firmware(random_model(), load_board("native"), tmp_path / "firmware")
    generate_model(random_model(), tmp_path / "model")
    assert not (tmp_path / "firmware/old.c").exists()
    assert (tmp_path / "model/old.c").exists() and not (tmp_path / "model/mcukd_kernel.S").exists()
    for folder in ("firmware", "model"):
        assert (tmp_path / folder / "notes.txt").read_text() == "mine"


def test_a_folder_of_templates_elsewhere_extends_the_common_ones(tmp_path: Path) -> None:
    """As a plugin's family does; `./` names what lies beside the template."""
    (tmp_path / "_values.j2").write_text('{% set values = "7" %}\n')
    (tmp_path / "mcukd_trace.h.j2").write_text(
        '{%- extends "model/common/_trace.h.j2" -%}\n'
        '{% from "./_values.j2" import values %}\n'
        "{% set trace_values = values %}\n"
    )
    texts = render_folders([str(tmp_path)], templates_context(random_model()), "cow")
    assert list(texts) == ["cow_trace.h"]
    assert "#define COW_TRACE_VALUES 7 /* of each tensor */" in texts["cow_trace.h"]
    assert "int16_t z_pre[COW_TRACE_VALUES];" in texts["cow_trace.h"]
