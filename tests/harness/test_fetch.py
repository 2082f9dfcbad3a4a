"""Fetching of a log: over good, damaged and broken lines, into files that go on; and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from builders.commands import mcukd
from builders.compile import SANITIZED, STRICT
from builders.day_log import CONFIG, day_log, pages_of
from builders.device import FAST, serving
from builders.students import random_model

from mcukd.boards.model import read_board
from mcukd.codegen.firmware import generate_firmware
from mcukd.errors import UserError
from mcukd.fixedpoint.model import save_model
from mcukd.harness.far_end import SimulatedTag
from mcukd.harness.faults import Faults, bad_line
from mcukd.harness.fetch import Fetched, fetch
from mcukd.harness.messages import DeviceError, Request
from mcukd.harness.protocol import Device, open_device
from mcukd.harness.tag_log import read_status
from mcukd.resources import resource_dir
from mcukd.study import Study
from mcukd.tag.fetched import read_fetched
from mcukd.tag.log import read_log
from mcukd.tag.records import Record


def records_of(dump: bytes) -> list[Record]:
    return [each.record for each in read_log(dump).records]


class DamagedTag(SimulatedTag):
    """A simulated tag behind a line with faults, which is lost after so many bytes to the host."""

    def __init__(self, pages: dict[int, bytes], faults: Faults, lost_after: int | None = None):
        super().__init__(pages, CONFIG.classes)
        self._there, self._back, self._lost_after = faults.line(0), faults.line(1), lost_after

    def send(self, data: bytes) -> None:
        super().send(self._there(data))

    def receive(self, deadline: float) -> bytes:
        data = self._back(super().receive(deadline))
        if self._lost_after is not None and self.bytes_received > self._lost_after:
            raise UserError("the line was lost.")
        return data


def fetched(link: SimulatedTag, path: Path) -> Fetched:
    device = Device(link, timeout=0.02)  # type: ignore[arg-type]
    return fetch(device, path)


def tag_of(dump: bytes, chip: int = 1) -> SimulatedTag:
    return SimulatedTag(pages_of(dump), CONFIG.classes, chip)


@pytest.mark.parametrize(
    "faults",
    [
        Faults(),
        Faults(corrupt=1e-3, seed=1),
        Faults(drop=1e-3, seed=2),
        Faults(corrupt=5e-4, drop=5e-4, seed=3),
        Faults(corrupt=4e-3, seed=4),
    ],
)
def test_a_days_log_comes_whole_over_any_line(tmp_path: Path, faults: Faults) -> None:
    done = fetched(DamagedTag(pages_of(day_log()), faults), tmp_path / "tag.log")
    assert [each.record for each in done.log.records] == records_of(day_log())
    assert done.new_records == len(done.log.records) > 1000 and not done.log.damage
    assert records_of(read_fetched(tmp_path / "tag.log").dump()) == records_of(day_log())


def test_a_line_that_is_lost_again_and_again_ends_with_the_whole_log(tmp_path: Path) -> None:
    wanted, path, tries = records_of(day_log()), tmp_path / "tag.log", 0
    held = 0
    while held < len(wanted):
        tries += 1
        assert tries < 60
        line = DamagedTag(pages_of(day_log()), Faults(corrupt=1e-3, drop=2e-4, seed=tries), 6000 + 37 * tries)
        try:
            fetched(line, path)
        except UserError as error:
            assert "lost" in str(error)
        if path.exists() and read_fetched(path).pages:
            found = records_of(read_fetched(path).dump())
            # Never a wrong record, never one less than before.
            assert found == wanted[: len(found)] and len(found) >= held
            held = len(found)
    assert tries > 5


def test_a_line_that_falls_silent_is_told_and_keeps_what_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcukd.harness.protocol.ROBUST_ATTEMPTS", 2)
    path = tmp_path / "tag.log"
    with pytest.raises(UserError, match=r"stopped answering \(FETCH sent 5 times in vain"):
        fetched(DamagedTag(pages_of(day_log()), Faults(stops_after=10_000)), path)
    held = records_of(read_fetched(path).dump())
    assert len(held) > 200 and held == records_of(day_log())[: len(held)]
    assert [each.record for each in fetched(tag_of(day_log()), path).log.records] == records_of(day_log())


def test_what_a_kill_left_of_an_entry_is_cut_off(tmp_path: Path) -> None:
    wanted, path = records_of(day_log(9000)), tmp_path / "tag.log"
    fetched(tag_of(day_log(9000)), path)
    whole = path.read_bytes()
    sizes = {len(whole) - 1, len(whole) - 3000, len(whole) - 4105, len(whole) - 9000, 200}
    for size in sorted(sizes):
        for tail in (b"", bytes(50), b"\xff" * 700):
            path.write_bytes(whole[:size] + tail)
            file = read_fetched(path)
            before = records_of(file.dump()) if file.pages else []
            assert before == wanted[: len(before)]
            done = fetched(tag_of(day_log(9000)), path)
            assert [each.record for each in done.log.records] == wanted
            assert not read_fetched(path).cut and done.cut == file.cut


def test_a_later_fetch_reads_what_is_new(tmp_path: Path) -> None:
    path = tmp_path / "tag.log"
    first = fetched(tag_of(day_log(9000)), path)
    again = fetched(tag_of(day_log(9000)), path)
    assert first.new_records and not again.new_records and not again.words
    link = tag_of(day_log())
    later = fetched(link, path)
    assert [each.record for each in later.log.records] == records_of(day_log())
    assert later.new_records == len(records_of(day_log())) - first.new_records
    assert 4 * later.words < link.bytes_received < 1.15 * (4 * later.words + 4096)


def test_pages_that_the_tag_erased_meanwhile_are_told_missing_and_passed_over_only_when_asked(
    tmp_path: Path,
) -> None:
    """Nothing tells a log that went round from one that was erased and has more pages by now."""
    path, pages = tmp_path / "tag.log", pages_of(day_log())
    fetched(SimulatedTag({1: pages[1], 2: pages[2]}, CONFIG.classes), path)
    before = path.read_bytes()
    later = SimulatedTag({n: page for n, page in pages.items() if n >= 5}, CONFIG.classes)
    with pytest.raises(UserError, match=r"ends with page 2 of a log, .* is 5: .*--after-gap"):
        fetched(later, path)
    assert path.read_bytes() == before
    done = fetch(Device(later, timeout=0.02), path, after_gap=True)  # type: ignore[arg-type]
    assert len(done.log.damage) == 1 and "are missing before page" in done.log.damage[0]
    assert {each.record for each in done.log.records} < set(records_of(day_log()))


@pytest.mark.parametrize(
    ("other", "chip", "words"),
    [
        (day_log(9000, seed=8), 1, "page 2 is not that of the tag"),
        (
            day_log(9000, seed=8),
            2,
            "holds the log of the tag with chip 0000000000000001, but that at simulated",
        ),
        (day_log(600, seed=8), 1, "was erased and begun anew"),
        (day_log(9000), 2, "give --out another name"),
    ],
)
def test_two_logs_are_never_mixed(tmp_path: Path, other: bytes, chip: int, words: str) -> None:
    path = tmp_path / "tag.log"
    fetched(tag_of(day_log(9000)), path)
    before = path.read_bytes()
    with pytest.raises(UserError, match=words):
        fetched(tag_of(other, chip), path)
    assert path.read_bytes() == before


def test_a_tag_of_another_model_and_one_without_a_log_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tag.log"
    fetched(tag_of(day_log(9000)), path)
    with pytest.raises(UserError, match="counts 3 classes, but the tag at simulated counts 5"):
        fetched(SimulatedTag(pages_of(day_log(9000)), 5), path)


@pytest.mark.parametrize("content", [b"", b"something else", b"mtag\x10\0\0\0 but cut"])
def test_a_file_of_something_else_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tag.log"
    path.write_bytes(content)
    with pytest.raises(UserError, match="no file of a fetched log"):
        fetched(tag_of(day_log(9000)), path)
    assert path.read_bytes() == content


def test_a_file_that_is_damaged_far_from_its_end_is_told(tmp_path: Path) -> None:
    path = tmp_path / "tag.log"
    fetched(tag_of(day_log()), path)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) - 9000] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(UserError, match=r"damaged at byte [\d,]+, with"):
        fetched(tag_of(day_log()), path)
    assert path.read_bytes() == damaged


def test_a_file_that_another_program_writes_to_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "tag.log"
    fetched(tag_of(day_log(9000)), path)
    mine = read_fetched(path)
    fetched(tag_of(day_log()), path)
    theirs = path.read_bytes()
    with pytest.raises(UserError, match="another program writes to it"):
        mine.append(3, 0, bytes(400))
    assert path.read_bytes() == theirs


class FullTag(SimulatedTag):
    """A tag that erases its oldest page after some requests, as one whose log is full."""

    def send(self, data: bytes) -> None:
        super().send(data)
        if self.requests == 3:
            self.pages.pop(min(self.pages), None)


def test_what_was_read_of_a_page_that_is_erased_meanwhile_is_kept(tmp_path: Path) -> None:
    pages = pages_of(day_log())
    link = FullTag(dict(list(pages.items())[2:]), CONFIG.classes)
    done = fetched(link, tmp_path / "tag.log")
    assert {each.record for each in done.log.records} <= set(records_of(day_log()))
    assert max(each.record.sequence for each in done.log.records) == records_of(day_log())[-1].sequence


def test_the_bytes_beside_those_of_the_log_are_few(tmp_path: Path) -> None:
    link = tag_of(day_log())
    done = fetched(link, tmp_path / "tag.log")
    of_records = sum(4 * each.record.length for each in done.log.records)
    passed = link.bytes_sent + link.bytes_received
    print(f"\n{passed / of_records:.3f} bytes on the line for each byte of records")
    assert passed < 1.12 * of_records


DUMPED = """
#include "tag_config.h"
#include "tag_port.h"
#include <stdio.h>
#define WORDS (TAG_LOG_PAGES * TAG_LOG_PAGE_WORDS)
static uint32_t words[WORDS + TAG_PROVISION_PAGES * TAG_LOG_PAGE_WORDS];
uint32_t tag_flash_read(uint32_t word) { return words[word]; }
void tag_flash_program(uint32_t word, uint32_t value) { words[word] &= value; }
void tag_flash_erase(uint32_t page)
{
    for (uint32_t i = 0; i < TAG_LOG_PAGE_WORDS; i++) { words[page * TAG_LOG_PAGE_WORDS + i] = UINT32_MAX; }
}
void tag_chip_id(uint32_t id[2]) { id[0] = 0x89ABCDEFu; id[1] = 0x01234567u; }
uint32_t tag_ticks(void) { return 0; }
uint32_t tag_port_start(void)
{
    FILE *file = fopen(DUMP, "rb");
    const size_t count = file ? fread(words, 4, WORDS, file) : 0;
    return count == WORDS ? 5 : 0;
}
"""


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The firmware as a program of this computer, which starts with a day's log in its flash."""
    if shutil.which("cc") is None:
        pytest.skip("needs a host C compiler")
    folder = tmp_path_factory.mktemp("device")
    path = folder / "tag.toml"
    tag = f"\n[tag]\nlog_pages = {CONFIG.log_pages}\n"
    path.write_text((resource_dir("boards") / "native.toml").read_text() + tag)
    model = replace(random_model(3, hidden=11, dense=6, classes=3, steps=30), hop=7)
    generate_firmware(model, read_board(path), folder / "sources")
    (folder / "sources" / "port_tag.c").write_text(DUMPED)
    (folder / "dump.bin").write_bytes(day_log())
    sources = sorted(map(str, (folder / "sources").glob("*.c")))
    dump = f'-DDUMP="{folder}/dump.bin"'
    subprocess.run(["cc", *STRICT, *SANITIZED, dump, *sources, "-o", folder / "device"], check=True)
    return folder / "device"


@pytest.mark.parametrize("faults", [Faults(), Faults(corrupt=5e-4, drop=2e-4, seed=5), Faults(drop_every=97)])
def test_the_firmware_gives_its_log_over_any_line(binary: Path, tmp_path: Path, faults: Faults) -> None:
    with serving(binary) as url, bad_line(url, faults) as line, open_device(line, FAST) as device:
        device.timeout = 5.0 if faults == Faults() else 0.1
        done = fetch(device, tmp_path / "tag.log")
        status = read_status(device)
    assert [each.record for each in done.log.records] == records_of(day_log())
    assert status.chip == "0123456789abcdef" and (status.starts, status.reset_cause) == (2, 5)
    assert (status.oldest_page, status.newest_page) == (1, max(pages_of(day_log())))
    assert status.log_pages == CONFIG.log_pages and status.sensor == "none" and status.latest_class is None
    assert status.battery_mv is None


@pytest.mark.parametrize(
    ("request_", "payload", "code"),
    [
        (Request.FETCH, bytes(8), 2),
        (Request.FETCH, bytes(8) + b"\0", 3),
        (Request.FETCH, bytes(8) + b"\x3d", 3),
        (Request.STATUS, b"1", 2),
    ],
)
def test_requests_out_of_range_are_refused(
    binary: Path, request_: Request, payload: bytes, code: int
) -> None:
    with serving(binary) as url, open_device(url, FAST) as device:
        with pytest.raises(DeviceError) as caught:
            device.exchange(request_, payload, 5.0)
        assert caught.value.code == code


def test_the_commands_fetch_decode_and_tell(binary: Path, tmp_path: Path) -> None:
    def command(*arguments: str, port: bool = True) -> str:
        with serving(binary) as url:
            line = ("--port", url, "--baud", str(FAST)) if port else ()
            done = mcukd(*arguments, *line, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    count = len(records_of(day_log()))
    facts = json.loads(command("fetch", "--out", "cow.log", "--json", "--confirm", "--csv", "cow.csv"))
    assert facts["records"] == facts["new_records"] == count and facts["confirmed_below"] == count
    assert facts["chip"] == "0123456789abcdef" and facts["damage"] == []
    assert len((tmp_path / "cow.csv").read_text().splitlines()) == count + 1
    assert "; 0 of them are new." in command("fetch", "--out", "cow.log")
    # The classes of another model are named, and the user is told.
    model = random_model(3, classes=3)
    Study.create(tmp_path / "run", "herd-sim", 0)
    save_model(model, tmp_path / "run")
    told = json.loads(command("fetch", "--out", "cow.log", "--run", "run", "--json"))["remarks"]
    assert len(told) == 1 and f"ran model 9abcdef0, but that of the study is {model.sha256[:8]}" in told[0]
    assert told[0] in command("fetch", "--out", "cow.log", "--run", "run")
    decoded = json.loads(command("log", "decode", "cow.log", "--json", port=False))
    assert len(decoded["records"]) == count
    told = json.loads(command("tag", "status", "--json"))
    assert told["starts"] == 2 and told["time"]["records"] == count
    assert "not set" in command("tag", "status") and "reads none" in command("tag", "status")
    refused = mcukd("fetch", "--out", "x.log", cwd=tmp_path)
    assert refused.returncode == 2 and "give --port" in refused.stderr and not (tmp_path / "x.log").exists()
