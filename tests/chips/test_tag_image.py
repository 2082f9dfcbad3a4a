"""The real images with [tag] on the modelled chips: what is streamed is found in the log, dated, over the line."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.boards import board_of, untagged
from builders.students import random_model, random_windows

from mcukd.boards.launch import running
from mcukd.boards.toolchain import build
from mcukd.codegen.firmware import generate_firmware
from mcukd.fixedpoint.reference import run
from mcukd.harness.fetch import fetch
from mcukd.harness.protocol import open_device
from mcukd.harness.tag_log import confirm, read_log_flash, read_status, read_time, set_time
from mcukd.tag.bouts import Bouts
from mcukd.tag.log import read_log
from mcukd.tag.log_table import settings_of
from mcukd.tag.records import BOOT, BOUT, READ, TIME
from mcukd.tag.smoothing import Smoothing, with_unknown

pytestmark = pytest.mark.emulator
STEPS, HOP, SMOOTHING = 30, 7, 3


@pytest.mark.parametrize("name", ["collar", "eartag"])
def test_a_stream_is_found_in_the_log(tmp_path: Path, name: str) -> None:
    model = replace(random_model(3, hidden=11, dense=6, classes=3, steps=STEPS), hop=HOP, counts_per_g=512.0)
    samples = np.concatenate(random_windows(12, STEPS, seed=5).counts)
    starts = range(0, len(samples) - STEPS + 1, HOP)
    outcome = run(model, np.stack([samples[at : at + STEPS] for at in starts]))
    # So that some results are unknown and others not.
    logits = np.sort(outcome.logits, axis=1)
    margin = int(np.median(logits[:, -1] - logits[:, -2]))
    in_logits = margin * 2.0 ** -model.formats["output"].fractional_length
    tag = f"log_pages = 2\nsmoothing = {SMOOTHING}\nunknown_margin = {in_logits!r}\n"
    # Without a driver: the samples come over the line.
    text = re.sub(r"(?ms)^\[sensor\.driver\]\n.*?(?=^\[)", "", untagged(name))
    board = board_of(f"{text}\n[tag]\n{tag}", tmp_path)
    generate_firmware(model, board, tmp_path / "firmware")
    elf = build(tmp_path / "firmware", board).elf

    smoothing, bouts, ended = Smoothing(SMOOTHING), Bouts(), []
    for class_found, values in zip(outcome.classes.tolist(), outcome.logits.tolist()):
        found = bouts.result(smoothing.result(with_unknown(class_found, values, margin)), 0)
        ended += [found] if found else []
    last = bouts.end()
    assert last is not None and {bout.class_found for bout, _ in ended} >= {3}

    with running(board, elf) as url, open_device(url) as device:
        device.timeout = 20.0  # on a busy computer the model takes seconds to start
        device.who()
        assert not read_time(device).trusted
        for _ in device.push(0, samples):
            pass
        set_time(device)
        device.reset_stream()
        assert confirm(device, 2) == 2
        log = read_log(read_log_flash(device))
        done, status = fetch(device, tmp_path / "tag.log"), read_status(device)
    assert not log.damage
    assert done.log.records == log.records and status.chip and (status.starts, status.newest_page) == (1, 1)
    records = [each.record for each in log.records]
    assert [record.kind for record in records] == [BOOT, *[BOUT] * len(ended), TIME, BOUT, READ]
    told = [(r.payload[1] & 0xFF, r.payload[1] >> 8, r.payload[2]) for r in records if r.kind == BOUT]
    assert told == [
        *((bout.class_found, why, bout.length) for bout, why in ended),
        (last.class_found, 1, last.length),
    ]
    assert f"{records[0].payload[4]:08x}" == model.sha256[:8]
    assert settings_of(log)[0].tag >= records[0].seconds
