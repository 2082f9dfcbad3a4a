"""All C that is written: the same code where plain `char` is signed (x86) and where it is unsigned (Arm)."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from builders.boards import board_of, radio_of, untagged
from builders.cnn import cnn_model
from builders.filter_mlp import filter_model
from builders.students import headed_model, random_model

from mcukd.boards.model import load_board
from mcukd.codegen.firmware import generate_firmware, generate_model
from mcukd.inference.gru import Shape, source


def write_all(folder: Path) -> None:
    """Write models of every family, the batch, the native firmware, and a collar's with tag and radio."""
    models = (cnn_model(), filter_model(), headed_model("prototype"))
    for number, model in enumerate(models):
        generate_model(model, folder / f"model{number}")
    (folder / "batch").mkdir()
    (folder / "batch" / "mcukd_batch.c").write_text(source(Shape(16, 3, 16, 6)))
    generate_firmware(random_model(), load_board("native"), folder / "native")
    radio = radio_of("collar").replace("id = 1\n", 'frame = "lorawan"\n')
    tag = '[tag]\nlog_pages = 8\npayload = "period"\n'
    board = board_of(f"{untagged('collar')}\n{tag}\n{radio}", folder)
    generate_firmware(replace(random_model(), rate_hz=50.0), board, folder / "collar")


def assembly(folder: Path, option: str) -> dict[str, str]:
    """Return the assembly of every source but the ports of cores, which hold assembly of their own."""
    made = {}
    for sources in sorted({file.parent for file in folder.glob("*/*.c")}):
        names = sorted(file.name for file in sources.glob("*.c"))
        names = [name for name in names if sources.name == "native" or not name.startswith("port_")]
        subprocess.run(["cc", "-std=c99", "-O0", "-S", option, *names], cwd=sources, check=True)
        made.update({f"{sources.name}/{file.stem}": file.read_text() for file in sources.glob("*.s")})
    return made


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")
def test_signedness_of_plain_char_changes_nothing(tmp_path: Path) -> None:
    write_all(tmp_path)
    signed, unsigned = assembly(tmp_path, "-fsigned-char"), assembly(tmp_path, "-funsigned-char")
    kinds = {"native/port_native", "collar/radio_lorawan", "collar/tag_log", "batch/mcukd_batch"}
    assert kinds <= set(signed)
    assert [name for name, code in signed.items() if code != unsigned[name]] == []
