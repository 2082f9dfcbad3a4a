"""Provisioning over a line: the firmware with [tag] as a program of this computer, and the command."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from builders.commands import mcukd
from builders.compile import SANITIZED, STRICT
from builders.device import FAST, serving
from builders.students import random_model

from mcukd.boards.model import read_board
from mcukd.codegen.firmware import generate_firmware
from mcukd.errors import UserError
from mcukd.harness.faults import Faults, bad_line
from mcukd.harness.fetch import fetch
from mcukd.harness.messages import DeviceError, Request
from mcukd.harness.protocol import Device, open_device
from mcukd.harness.provisioning import read_provision, write_provision
from mcukd.harness.tag_log import read_log_flash, read_status
from mcukd.resources import resource_dir
from mcukd.tag.log import read_log
from mcukd.tag.provision import Calibration, Provision, Session
from mcukd.tag.records import BOOT, EVENT

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")
KEYS = ("00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100")
FULL = Provision(
    "cow-17",
    (-2, 1, 3),
    Calibration((-300, 40, 7), (16_000, 16_500, 16_384)),
    1800,
    Session(0x26011BDA, bytes.fromhex(KEYS[0]), bytes.fromhex(KEYS[1])),
    17,
)


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("device")
    path = folder / "tag.toml"
    path.write_text((resource_dir("boards") / "native.toml").read_text() + "\n[tag]\nlog_pages = 3\n")
    model = replace(random_model(3, hidden=11, dense=6, classes=3, steps=30), hop=7)
    generate_firmware(model, read_board(path), folder / "sources")
    sources = sorted(map(str, (folder / "sources").glob("*.c")))
    subprocess.run(["cc", *STRICT, *SANITIZED, *sources, "-o", folder / "device"], check=True)
    return folder / "device"


@contextmanager
def connected(binary: Path, faults: Faults = Faults()) -> Iterator[Device]:
    with serving(binary) as url, bad_line(url, faults) as line, open_device(line, FAST) as device:
        device.timeout = 0.1 if faults != Faults() else 5.0  # nothing is repeated on a busy computer
        yield device


@pytest.mark.parametrize("faults", [Faults(), Faults(corrupt=5e-4, drop=5e-4, seed=1), Faults(drop_every=11)])
def test_a_tag_is_told_and_says_all_but_the_keys(binary: Path, faults: Faults) -> None:
    with connected(binary, faults) as device:
        before = read_provision(device)
        assert (before.generation, before.provision, before.keys) == (0, Provision(), False)
        told = write_provision(device, FULL, before)
        assert told.generation == 1 and told.provision == replace(FULL, session=None)
        assert told.keys and told.address == 0x26011BDA
        assert read_provision(device) == told
        other = Provision("cow-18", radio_id=65535)
        again = write_provision(device, other, told, keep_keys=True)
        assert (again.generation, again.provision, again.keys) == (2, other, True)
        bare = write_provision(device, Provision("cow-18"), again)
        assert (bare.generation, bare.keys, bare.address) == (3, False, None)
        # It is logged, so that one knows from which record on another calibration holds.
        records = [each.record for each in read_log(read_log_flash(device)).records]
    assert [record.kind for record in records] == [BOOT, EVENT, EVENT, EVENT]
    assert [record.payload for record in records[1:]] == [(23, 1), (23, 2), (23, 3)]


def test_a_repeated_request_writes_once_and_a_stranger_is_not_overwritten(binary: Path) -> None:
    with connected(binary) as device:
        before = read_provision(device)
        exchange, asked = device.exchange, []

        def twice(request: Request, payload: bytes, wait: float) -> bytes:
            reply = exchange(request, payload, wait)
            if request == Request.PROVISION and payload:
                asked.append(payload)
                return exchange(request, payload, wait)
            return reply

        device.exchange = twice  # type: ignore[method-assign]
        assert write_provision(device, FULL, before).generation == 1 and len(asked) == 1
        device.exchange = exchange  # type: ignore[method-assign]
        # The same content: as where the answer was lost and the tag was reset.
        assert write_provision(device, FULL, before).generation == 1
        with pytest.raises(DeviceError, match="provisioned by someone else meanwhile, 1 times so far"):
            write_provision(device, Provision("other"), before)
        assert read_provision(device).provision.id == "cow-17"


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"1", 2), (bytes(4) + b"\x15\0" + bytes(4), 2), (bytes(4) + b"\x16\0" + b"\1\2\3\4", 4)],
)
def test_requests_that_are_wrong_are_refused(binary: Path, payload: bytes, code: int) -> None:
    with connected(binary) as device:
        with pytest.raises(DeviceError) as caught:
            device.exchange(Request.PROVISION, payload, 5.0)
        assert caught.value.code == code and read_provision(device).generation == 0


def test_no_payload_harms_the_firmware(binary: Path) -> None:
    """Any bytes as a request about the tag, in a build that ends where memory is misused."""
    chance = random.Random(5)
    with connected(binary) as device:
        for _ in range(400):
            kind = chance.choice(
                [Request.FETCH, Request.STATUS, Request.PROVISION, Request.SENSE, Request.LOG]
            )
            size = chance.choice([0, 1, 5, 9, 9, 9, 10, 10, chance.randrange(60)])
            payload = bytearray(chance.randbytes(size))
            if kind == Request.FETCH and size == 9:
                payload[0:4] = chance.choice([0, 1, 1, 2]).to_bytes(4, "little")
                payload[4:6] = chance.choice([0, 11, 1023, 1024, 65535]).to_bytes(2, "little")
                payload[8] = chance.choice([1, 60, 61, payload[8]])
            with suppress(DeviceError):
                device.exchange(kind, bytes(payload), 5.0)
            if not chance.randrange(20):
                device.write(chance.randbytes(2 * chance.randrange(40)))
        told = read_provision(device)
        assert told.generation == 0
        assert write_provision(device, FULL, told).generation == 1


def test_a_tag_that_has_just_started_has_an_empty_log(binary: Path, tmp_path: Path) -> None:
    with connected(binary) as device:
        status = read_status(device)
        assert (status.oldest_page, status.newest_page, status.starts, status.chip) == (0, 0, 1, "")
        with pytest.raises(UserError, match="the tag's log is empty"):
            fetch(device, tmp_path / "tag.log")
        assert not (tmp_path / "tag.log").exists()
        write_provision(device, FULL, read_provision(device))
        assert len(fetch(device, tmp_path / "tag.log").log.records) == 2


def test_the_keys_are_in_no_reply(binary: Path) -> None:
    """What the log's words, and every other reply, hold."""
    with connected(binary) as device:
        write_provision(device, FULL, read_provision(device))
        heard = bytearray()
        receive = device.link.receive

        def listening(deadline: float) -> bytes:
            data = receive(deadline)
            heard.extend(data)
            return data

        device.link.receive = listening  # type: ignore[method-assign]
        read_provision(device)
        read_log_flash(device)
        with pytest.raises(DeviceError, match="asked beyond the limit of 3072"):
            device.exchange(Request.LOG, (3 * 1024).to_bytes(4, "little") + b"\x1e", 5.0)
    for key in KEYS:
        assert bytes.fromhex(key) not in heard and bytes.fromhex(key)[:5] not in heard


FILE = f"""
id = "cow-17"
axes_map = "x=-y, y=x, z=z"
period_s = 1800
radio_id = 17

[calibration]
offset = [-300, 40, 7]
gain = [16000, 16500, 16384]

[lorawan]
device_address = "26011BDA"
network_session_key = "{KEYS[0]}"
application_session_key = "{KEYS[1]}"
"""


def test_the_command_tells_a_file_and_options_and_shows_no_key(binary: Path, tmp_path: Path) -> None:
    (tmp_path / "cow.toml").write_text(FILE)
    said = []

    def run(*arguments: str) -> str:
        with serving(binary) as url:
            done = mcukd("provision", "--port", url, "--baud", str(FAST), *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout + done.stderr)
        return done.stdout

    # Each connection meets a tag that has just started, and was never provisioned.
    assert "never provisioned" in run()
    facts = json.loads(run("--file", "cow.toml", "--json"))
    assert facts == {
        "generation": 1, "id": "cow-17", "axes_map": "x=-y, y=x, z=z", "period_s": 1800, "keys": True,
        "calibration": {"offset": [-300, 40, 7], "gain": [16000, 16500, 16384]}, "device_address": "26011bda",
        "radio_id": 17,
    }  # fmt: skip
    changed = run("--file", "cow.toml", "--id", "cow-18", "--remove", "keys", "--period", "60")
    assert "cow-18" in changed and "60 s" in changed and "26011bda" in changed
    assert "x=z, y=-x, z=y" in run("--axes-map", "x=z, y=-x, z=y")
    assert json.loads(run("--radio-id", "0", "--json"))["radio_id"] == 0
    for text in said:
        assert not any(key in text.lower() for key in KEYS)


@pytest.mark.parametrize(
    ("arguments", "content", "words"),
    [
        (("--remove", "idd"), "", ("--remove is 'idd'", "did you mean 'id'")),
        (("--axes-map", "x=x"), "", ("--axes-map is 'x=x'", "three terms")),
        (("--id", "x" * 17), "", ("id is", "at most 16 bytes")),
        (("--file", "a.toml"), "ide = 'x'", ("unknown key ide", "did you mean 'id'")),
        (("--file", "a.toml"), "period_s = 0x7fffffff", ("a.toml: period_s is 2147483647",)),
        (("--file", "a.toml"), FILE.replace(KEYS[0], "abcd"), ("lorawan.network_session_key is no key: 32",)),
        (("--file", "a.toml"), FILE.replace(f'"{KEYS[0]}"', "0xabcd"), ("network_session_key is no text",)),
        (("--file", "a.toml"), 'lorawan = "abcd"', ("a.toml: lorawan is no section",)),
        (("--file", "a.toml"), FILE.replace("26011BDA", "260"), ("device_address has 3 characters",)),
        (("--file", "a.toml"), FILE.replace("26011BDA", "0x260abc"), ("exactly 8 hexadecimal digits",)),
        (("--file", "a.toml"), FILE.replace("26011BDA", KEYS[0][:8] + "abcd"), ("has 12 characters",)),
        (("--file", "a.toml"), "id = ''", ("a.toml: id is empty", "--remove id")),
        (("--file", "a.toml"), "period_s = 0", ("a.toml: period_s is 0", "--remove period")),
        (("--id", " "), "", ("--id is empty", "--remove id")),
        (("--file", "a.toml"), FILE.replace("[16000", "[1600"), ("calibration.gain is [1600,",)),
        (("--file", "none.toml"), "", ("none.toml: no such file",)),
    ],
)
def test_bad_input_is_one_sentence_and_tells_the_tag_nothing(
    binary: Path, tmp_path: Path, arguments: tuple[str, ...], content: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "a.toml").write_text(content)
    with serving(binary) as url:
        done = mcukd("provision", "--port", url, "--baud", str(FAST), *arguments, cwd=tmp_path)
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr
    assert "abcd" not in done.stderr and str(0xABCD) not in done.stderr


def test_no_tag_is_named(tmp_path: Path) -> None:
    done = mcukd("provision", "--id", "x", cwd=tmp_path)
    assert done.returncode == 2 and "give --port" in done.stderr


def test_a_firmware_without_tag_cannot_be_provisioned(tmp_path: Path) -> None:
    from builders.device import build_device

    binary = build_device(random_model(3, hidden=11, dense=6, classes=3, steps=30), tmp_path / "device")
    with (
        connected(binary) as device,
        pytest.raises(UserError, match="cannot be provisioned: its board file needs a section"),
    ):
        read_provision(device)
