"""What follows the classifier in a firmware: parameters of board and model, and sources that fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from builders.boards import board_of, untagged
from builders.compile import ARM, STRICT, compile_all
from builders.students import random_model
from builders.tag_library import write_sources

from mcukd.boards.model import Board
from mcukd.boards.toolchain import build
from mcukd.codegen.firmware import generate_firmware
from mcukd.codegen.tag import CLASSES_MAX, tag_setup
from mcukd.errors import UserError
from mcukd.tag.operation import TagConfig

TAG = """
[tag]
log_pages = 8
smoothing = 3
unknown_margin = 0.5
period_s = 900
bout_results = 2
"""


def tagged(folder: Path, name: str, tag: str = TAG) -> Board:
    """A bundled board with a section [tag]."""
    return board_of(untagged(name).replace(f'name = "{name}"', 'name = "tag"') + tag, folder)


def test_parameters_are_those_of_board_and_model(tmp_path: Path) -> None:
    model, board = random_model(), tagged(tmp_path, "collar")
    setup = tag_setup(board, model)
    assert setup is not None
    length = model.formats["output"].fractional_length
    assert setup.unknown_margin == -(-(1 << length) // 2)
    assert (setup.classes, setup.log_pages, setup.page_words) == (len(model.classes), 8, 1024)
    assert (setup.smoothing, setup.period_s, setup.bout_results) == (3, 900, 2)
    assert setup.result_us == round(1e6 * model.hop / model.rate_hz)
    # The collar's last page holds its configuration words.
    # Before it lie the two pages of what the tag is told, and before those the log.
    assert setup.log_origin == 0x1D000 - 8 * 4096 and board.program_bytes == 0x1D000 - 8 * 4096
    assert tag_setup(board_of(untagged("collar"), tmp_path), model) is None


def test_the_margin_is_rounded_up_and_has_an_end(tmp_path: Path) -> None:
    model = random_model()
    one = 2.0 ** -model.formats["output"].fractional_length
    for margin, integer in ((0.0, 0), (one, 1), (one * 1.01, 2), (65535.0, 65535)):
        setup = tag_setup(tagged(tmp_path, "eartag", TAG.replace("0.5", repr(margin))), model)
        assert setup is not None and setup.unknown_margin == integer


def test_a_model_that_a_record_cannot_hold_is_refused(tmp_path: Path) -> None:
    board, model = tagged(tmp_path, "collar"), random_model()
    many = replace(model, classes=tuple(f"c{k}" for k in range(CLASSES_MAX + 1)))
    with pytest.raises(
        UserError, match=f"at most {CLASSES_MAX} classes, but the model has {CLASSES_MAX + 1}"
    ):
        tag_setup(board, many)
    with pytest.raises(UserError, match="at most 4294 s from one result to the next"):
        tag_setup(board, replace(model, hop=5000, rate_hz=1.0))


def test_a_firmware_without_tag_has_nothing_of_it(tmp_path: Path) -> None:
    generate_firmware(random_model(), board_of(untagged("collar"), tmp_path, "plain"), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*tag*"))
    assert "tag" not in (tmp_path / "out" / "app_main.c").read_text()


@pytest.mark.emulator
@pytest.mark.parametrize("name", ["collar", "eartag"])
def test_a_firmware_with_tag_builds_and_stays_out_of_its_log(tmp_path: Path, name: str) -> None:
    board, model = tagged(tmp_path, name), replace(random_model(), rate_hz=25.0)  # of another rate: no sensor
    generate_firmware(model, board, tmp_path / "with")
    plain = board_of(untagged(name), tmp_path, "plain")
    generate_firmware(model, plain, tmp_path / "without")
    size = build(tmp_path / "with", board).size
    without = build(tmp_path / "without", plain).size
    assert size["flash_limit"] == without["flash_limit"] // 4096 * 4096 - 10 * 4096
    assert 2000 < size["flash"]["tag"] < 4096
    assert size["flash_bytes"] - without["flash_bytes"] < 6000
    assert size["ram_bytes"] - without["ram_bytes"] < 400
    header = (tmp_path / "with" / "tag_config.h").read_text()
    assert "#define TAG_LOG_PAGES 8u" in header and "#define TAG_SMOOTHING 3u" in header


@pytest.mark.parametrize("core", [None, *ARM])
@pytest.mark.parametrize("compiler", ["cc", "clang"])
def test_every_setting_compiles_without_a_warning(tmp_path: Path, compiler: str, core: str) -> None:
    if core is not None and compiler == "clang":
        pytest.skip("the Arm compiler is gcc")
    if core is not None:
        compiler = "arm-none-eabi-gcc"
    settings = (
        TagConfig(classes=2, log_pages=2, smoothing=1, unknown_margin=0, bout_results=0),
        TagConfig(classes=CLASSES_MAX, log_pages=240, smoothing=63, unknown_margin=65535, bout_results=65535),
    )
    for number, config in enumerate(settings):
        folder = tmp_path / str(number)
        write_sources(config, folder)
        for optimize in ("-Os", "-O2"):
            compile_all(compiler, [*STRICT, optimize, *(ARM[core] if core else [])], folder)
