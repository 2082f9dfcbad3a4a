"""The payload in a firmware: its sources fit the tag's, and say of a period what the reference says."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.boards import board_of, untagged
from builders.compile import STRICT, UNDEFINED
from builders.payload import BARE
from builders.students import random_model
from builders.studies import quantized_study
from builders.tag_library import ADAPTER, write_sources

from mcukd.boards.model import Board, load_board
from mcukd.boards.toolchain import build
from mcukd.codegen.firmware import generate_firmware
from mcukd.codegen.payload import payload_layout, payload_schema, write_packer
from mcukd.errors import UserError
from mcukd.payload.coding import decode, encode
from mcukd.payload.layout import layout_of
from mcukd.payload.period import values_of_period
from mcukd.payload.schemas import load_schema
from mcukd.payload.sources import UNKNOWN
from mcukd.pipeline.firmware import generate_stage
from mcukd.resources import resource_dir
from mcukd.tag.flash import FlashRules, ModelledFlash
from mcukd.tag.operation import Tag, TagConfig

CONFIG = TagConfig(classes=5, log_pages=4, period_s=10**6, page_words=128)
LAYOUT = layout_of(load_schema("period"), 5)
CALL = """
#include "payload_period.h"
void pack_now(uint32_t sequence, uint32_t battery_mv, uint32_t failed, uint8_t *out)
{
    payload_pack_period(tag_get(), &tag_get()->counters, sequence, battery_mv, failed, out);
}
"""


def board_with(folder: Path, name: str, payload: str = "period") -> Board:
    """A bundled board whose firmware packs a payload."""
    return board_of(f'{untagged(name)}\n[tag]\nlog_pages = 8\npayload = "{payload}"\n', folder)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("payload")
    write_sources(CONFIG, folder)
    write_packer(LAYOUT, folder)
    for name in ("payload_period.c", "payload_period.h"):
        shutil.copy(resource_dir("firmware_templates") / "payload" / name, folder / name)
    (folder / "call.c").write_text(CALL)
    sources = [*map(str, sorted(folder.glob("*.c"))), str(ADAPTER)]
    flags = [*STRICT, *UNDEFINED, "-O2", "-shared", "-fPIC", "-I", str(folder)]
    subprocess.run(["cc", *flags, *sources, "-o", str(folder / "tag.so")], check=True)
    return ctypes.CDLL(str(folder / "tag.so"))


def test_a_period_of_the_tag_is_packed_as_in_the_reference(library: ctypes.CDLL) -> None:
    ticks = ctypes.c_uint32.in_dll(library, "ticks_now")
    words = (ctypes.c_uint32 * (4 * 128)).in_dll(library, "flash_words")
    ctypes.memset(words, 0xFF, ctypes.sizeof(words))
    ticks.value = 0
    flash, rng = ModelledFlash(FlashRules("a chip", 512, 10_000), 4), np.random.default_rng(1)
    model, out = 0xA1B2C3D4, (ctypes.c_uint8 * 11)()
    library.tag_start(0, 7, ctypes.c_uint32(model))
    tag = Tag(CONFIG, flash, lambda: ticks.value, 0, 7, model)
    for sequence in range(40):
        for _ in range(int(rng.integers(0, 400))):
            ticks.value += 41_943  # 1.28 s
            found = int(rng.choice(5, p=[0.6, 0.2, 0.1, 0.06, 0.04]))
            logits = [100 * (k == found) for k in range(5)]
            library.tag_on_result(found, (ctypes.c_int16 * 5)(*logits))
            tag.on_result(found, logits)
        if rng.random() < 0.3:
            library.tag_on_gap(64)
            tag.on_gap(64)
        battery = int(rng.choice([UNKNOWN, 2950, 3640]))
        failed = int(rng.random() < 0.2)
        library.pack_now(sequence, ctypes.c_uint32(battery), failed, out)
        expected = encode(
            LAYOUT, values_of_period(tag, tag.counters, sequence, battery, bool(failed)), tag.counters.results
        )
        assert bytes(out) == expected
        said = decode(expected, LAYOUT.schema)
        assert said.values["gap"] == (tag.counters.gaps > 0) and said.values["starts"] == 1
        assert sum(said.results) > 0 or sum(tag.counters.results) == 0
        if sequence % 5 == 4:
            library.tag_stop()
            tag.stop()
            library.tag_set_time(1_700_000_000, 0, 1)
            tag.set_time(1_700_000_000, 0, 1)


def test_the_board_file_names_the_payload(tmp_path: Path) -> None:
    board, model = board_with(tmp_path, "collar"), random_model()
    layout = payload_layout(board, model)
    assert layout is not None and layout.classes == len(model.classes) and layout.schema.name == "period"
    generate_firmware(model, board, tmp_path / "firmware")
    text = (tmp_path / "firmware" / "payload.h").read_text()
    assert f"#define PAYLOAD_CLASSES {len(model.classes)}u" in text and "#define PAYLOAD_F_PORT 1u" in text
    assert (tmp_path / "firmware" / "payload_period.c").exists()


def test_a_schema_beside_the_board_file_is_found(tmp_path: Path) -> None:
    names = '", "'.join(random_model().classes)
    (tmp_path / "own.toml").write_text(BARE.replace("bytes = 4", f'bytes = 9\nclasses = ["{names}"]'))
    board = board_with(tmp_path, "eartag", "own.toml")
    assert payload_layout(board, random_model()) is not None
    other = replace(random_model(), classes=tuple(f"c{k}" for k in range(len(random_model().classes))))
    with pytest.raises(UserError, match="board eartag: the payload 'bare' names the classes"):
        payload_layout(board, other)


def test_an_unknown_payload_is_refused_and_none_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no payload 'perod' \(did you mean 'period'\?\)"):
        payload_schema(board_with(tmp_path, "collar", "perod"))
    assert payload_schema(load_board("native")) is None


def test_a_changed_schema_is_generated_anew(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(BARE.replace("bytes = 4", "bytes = 9"))
    study, board = quantized_study(tmp_path / "run"), board_with(tmp_path, "collar", "own.toml")
    assert [generate_stage(study, board).ran for _ in range(2)] == [True, False]
    (tmp_path / "own.toml").write_text(BARE.replace("bytes = 4", "bytes = 10"))
    assert generate_stage(study, board).ran
    assert "#define PAYLOAD_BYTES 10u" in (tmp_path / "run/firmware/collar/payload.h").read_text()


def test_tag_and_payload_are_accepted_as_cpp(tmp_path: Path) -> None:
    write_sources(CONFIG, tmp_path)
    write_packer(LAYOUT, tmp_path)
    for name in ("payload_period.c", "payload_period.h"):
        shutil.copy(resource_dir("firmware_templates") / "payload" / name, tmp_path / name)
    for file in ("payload.c", "payload_period.c"):
        flags = ["-x", "c++", "-std=c++11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-c"]
        done = subprocess.run(
            ["c++", *flags, file, "-o", "out.o"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.emulator
@pytest.mark.parametrize("name", ["collar", "eartag"])
def test_a_firmware_with_a_payload_builds(tmp_path: Path, name: str) -> None:
    board = board_with(tmp_path, name)
    generate_firmware(random_model(), board, tmp_path / "firmware")
    assert build(tmp_path / "firmware", board).size["flash_bytes"] > 0
