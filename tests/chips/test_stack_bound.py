"""Stack of the real images on the modelled chips: what is used lies below what is proven, and that below what is reserved."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from builders.boards import board_of, untagged
from builders.students import random_model, random_windows
from builders.tag_image import tag_image

from mcukd.boards.launch import running
from mcukd.boards.scale import board_scaling
from mcukd.boards.size import stack_sentence
from mcukd.boards.toolchain import build
from mcukd.codegen.firmware import generate_firmware
from mcukd.harness.comparison import prove
from mcukd.harness.frames import encode_plain, pack
from mcukd.harness.messages import Request
from mcukd.harness.probes import choose_probes
from mcukd.harness.protocol import open_device

pytestmark = pytest.mark.emulator
BOARDS = ("collar", "eartag")


@pytest.mark.parametrize("name", BOARDS)
def test_a_proof_over_the_line_stays_below_the_bound(tmp_path: Path, name: str) -> None:
    board = board_of(untagged(name), tmp_path)
    model = random_model(3, hidden=11, dense=6, steps=30)
    generate_firmware(model, board, tmp_path / "firmware")
    built = build(tmp_path / "firmware", board)
    probes = choose_probes(random_windows(8), 8, 0, board_scaling(board, model.counts_per_g))
    with running(board, built.elf) as url, open_device(url) as device:
        device.timeout = 20.0  # on a busy computer the model takes seconds to start
        proof = prove(device, model, probes, device.who())
    bound = built.size["stack_bound"]
    assert proof["mismatches"] == 0 and bound["problem"] is None and bound["beyond"] is None
    assert bound["bytes"] / 2 < proof["stack_high_water_bytes"] <= bound["bytes"] <= board.stack_bytes


@pytest.mark.parametrize("name", BOARDS)
def test_a_tag_that_samples_logs_and_answers_stays_below_the_bound(tmp_path: Path, name: str) -> None:
    image = tag_image(name, tmp_path, "log_pages = 2\nsmoothing = 3\nperiod_s = 30\nconsole_s = 20\n")
    run = image.start(image.recording())
    for request in (Request.WHO, Request.SELFTEST, Request.ETHOGRAM, Request.WHO):
        run.chip.send(encode_plain(pack(request, 7, b"")))
        run.run(12)
    run.run(70)
    size = json.loads((image.elf.parent.parent / "size.json").read_text())
    bound = size["stack_bound"]
    assert len(run.console.take()) > 80 and np.any(run.latest().observed.samples)
    assert bound["bytes"] / 2 < run.stack_used() <= bound["bytes"] <= image.board.stack_bytes
    print(f"\n{name}: {run.stack_used()} bytes of stack used. {stack_sentence(size)}")
    # What the boot ROM's flash functions need is not in the bound: the model's take nothing.
    assert (bound["beyond"] is not None) == (name == "collar")
    assert {"app_tag_run", "app_tag_look"} & set(bound["path"])
