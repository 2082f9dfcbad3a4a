"""Log and time of a tag over its line: the firmware with [tag] as a program of this computer."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.commands import mcukd
from builders.compile import SANITIZED, STRICT
from builders.device import FAST, build_device, serving
from builders.students import random_model, random_windows

from mcukd.boards.model import Board, read_board
from mcukd.codegen.firmware import generate_firmware
from mcukd.errors import UserError
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.reference import run
from mcukd.harness.faults import Faults, bad_line
from mcukd.harness.messages import DeviceError, Request
from mcukd.harness.protocol import Device, open_device
from mcukd.harness.tag_log import confirm, read_log_flash, read_time, set_time
from mcukd.resources import resource_dir
from mcukd.tag.bouts import CHANGED, GAP
from mcukd.tag.log import read_log
from mcukd.tag.records import BOOT, BOUT, READ, TIME

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")
STEPS, HOP = 30, 7
TAG = "\n[tag]\nlog_pages = 3\nbout_results = 1\n"


@pytest.fixture(scope="module")
def model() -> IntegerModel:
    return replace(random_model(3, hidden=11, dense=6, classes=3, steps=STEPS), hop=HOP)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    path = tmp_path_factory.mktemp("board") / "tag.toml"
    path.write_text((resource_dir("boards") / "native.toml").read_text() + TAG)
    return read_board(path)


@pytest.fixture(scope="module")
def binary(model: IntegerModel, board: Board, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("device")
    generate_firmware(model, board, folder)
    sources = sorted(map(str, folder.glob("*.c")))
    subprocess.run(["cc", *STRICT, *SANITIZED, *sources, "-o", folder / "device"], check=True)
    return folder / "device"


@contextmanager
def connected(binary: Path, faults: Faults = Faults()) -> Iterator[Device]:
    with serving(binary) as url, bad_line(url, faults) as line, open_device(line, FAST) as device:
        device.timeout = 0.1 if faults.drop_every else 5.0  # nothing is repeated on a busy computer
        yield device


def test_streamed_results_are_the_bouts_of_the_log(model: IntegerModel, binary: Path) -> None:
    samples = np.concatenate(random_windows(12, STEPS, seed=5).counts)
    starts = range(0, len(samples) - STEPS + 1, HOP)
    classes = run(model, np.stack([samples[at : at + STEPS] for at in starts])).classes.tolist()
    bouts = [[classes[0], 0]]
    for each in classes:
        if bouts[-1][0] != each:
            bouts.append([each, 0])
        bouts[-1][1] += 1
    with connected(binary) as device:
        device.who()
        for _ in device.push(0, samples):
            pass
        device.reset_stream()
        found = [each.record for each in read_log(read_log_flash(device)).records]
    assert found[0].kind == BOOT
    assert f"{found[0].payload[3]:08x}" == device.identity.firmware_sha256[:8]  # type: ignore[union-attr]
    assert f"{found[0].payload[4]:08x}" == model.sha256[:8]
    assert all(record.kind == BOUT for record in found[1:])
    ends = [CHANGED] * (len(bouts) - 1) + [GAP]
    assert [(r.payload[1] & 255, r.payload[1] >> 8, r.payload[2]) for r in found[1:]] == [
        (kind, why, length) for (kind, length), why in zip(bouts, ends)
    ]


@pytest.mark.parametrize("faults", [Faults(), Faults(drop_every=11)])
def test_the_time_is_set_and_logged(binary: Path, faults: Faults) -> None:
    with connected(binary, faults) as device:
        device.who()
        assert not read_time(device).trusted
        if faults.drop_every:
            device.exchange(Request.TIME, (1_800_000_000).to_bytes(4, "little") + b"\0\0", 0.1)
        else:
            found = set_time(device, lambda: 1_800_000_000.5)
            assert found.trusted and found.utc == 1_800_000_000 and found.records == 2
        told = read_time(device)
        assert told.trusted and 1_800_000_000 <= told.utc < 1_800_000_100
        assert not told.records_lost and not told.flash_failures
        records = [each.record for each in read_log(read_log_flash(device)).records]
    # A request that was repeated has set it once.
    assert [record.kind for record in records] == [BOOT, TIME]
    assert records[1].payload[0] == 1_800_000_000 and records[1].payload[3] == 1


def test_what_the_host_has_kept_is_confirmed_once(binary: Path) -> None:
    with connected(binary) as device:
        device.who()
        set_time(device)
        assert confirm(device, 2) == 2
        assert confirm(device, 1) == 2
        records = [each.record for each in read_log(read_log_flash(device)).records]
        assert [record.kind for record in records] == [BOOT, TIME, READ]
        with pytest.raises(DeviceError, match="asked beyond the limit of 4"):
            confirm(device, 4)


@pytest.mark.parametrize(
    ("request_", "payload", "code"),
    [
        (Request.LOG, b"", 2),
        (Request.LOG, bytes([0, 0, 0, 0, 31]), 3),
        (Request.LOG, (3 * 1024).to_bytes(4, "little") + b"\1", 3),
        (Request.LOG, b"\xff\xff\xff\xff\x1e", 3),
        (Request.TIME, b"1234", 2),
        (Request.TIME, b"1234\xff\xff", 3),
        (Request.CONFIRM, b"123", 2),
    ],
)
def test_requests_out_of_range_are_refused(
    binary: Path, request_: Request, payload: bytes, code: int
) -> None:
    with connected(binary) as device:
        with pytest.raises(DeviceError) as caught:
            device.exchange(request_, payload, 0.1)
        assert caught.value.code == code


def test_a_line_that_always_loses_is_told(binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with connected(binary) as device:
        exchange = device.exchange

        def repeated(request: Request, payload: bytes, wait: float, attempts: int | None) -> bytes:
            device.retries += 1
            return exchange(request, payload, wait, attempts)

        monkeypatch.setattr(device, "exchange", repeated)
        with pytest.raises(UserError, match="late by up to some seconds; mend the line"):
            set_time(device)


def test_a_firmware_without_a_log_is_told(model: IntegerModel, tmp_path: Path) -> None:
    binary = build_device(model, tmp_path / "device")
    with (
        connected(binary) as device,
        pytest.raises(UserError, match=r"keeps no log: its board file needs a section \[tag\]"),
    ):
        read_log_flash(device)


def test_the_commands_read_the_log_and_set_the_time(binary: Path, tmp_path: Path) -> None:
    def command(*arguments: str) -> str:
        with serving(binary) as url:
            done = mcukd("log", *arguments, "--port", url, "--baud", str(FAST), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "UTC: not set." in command("time") and "0 records since it began" in command("time")
    assert json.loads(command("time", "--set", "--json"))["trusted"]
    # Each connection meets a tag that has just started, whose log is empty.
    with serving(binary) as url:
        refused = mcukd("log", "read", "--port", url, "--baud", str(FAST), "--out", "dump.bin", cwd=tmp_path)
    assert refused.returncode == 2 and "none of its 3 pages" in refused.stderr
    assert (tmp_path / "dump.bin").stat().st_size == 3 * 4096
    kept = (tmp_path / "dump.bin").read_bytes()
    for arguments, words in (
        (("--out", "dump.bin"), "dump.bin exists and may be a dump"),
        (("--out", "new.bin", "--classes", "a", "--run", "b"), "--classes and --run both name the classes"),
    ):
        refused = mcukd("log", "read", "--port", "/dev/none", *arguments, cwd=tmp_path)
        assert refused.returncode == 2 and words in " ".join(refused.stderr.split())
    assert (tmp_path / "dump.bin").read_bytes() == kept and not (tmp_path / "new.bin").exists()
