"""Real images on modelled chips, provisioned: they go by it at once and after a reset, as the reference does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.chip_line import device_of
from builders.probe_models import run_runner
from builders.tag_image import TagImage

from mcukd.boards import flashing
from mcukd.boards.flashing import FlashOptions
from mcukd.boards.launch import running
from mcukd.chips.flash import PowerLost
from mcukd.chips.tag_run import TagRun, streamed
from mcukd.errors import UserError
from mcukd.harness.fetch import fetch
from mcukd.harness.protocol import open_device
from mcukd.harness.provisioning import read_provision, write_provision
from mcukd.harness.tag_log import read_status
from mcukd.tag.application import GAP, PROVISION
from mcukd.tag.log import read_log
from mcukd.tag.provision import Calibration, Provision, Session
from mcukd.tag.records import BOOT, PERIOD, field

pytestmark = pytest.mark.emulator
TOLD = Provision(
    "cow-17",
    (-2, 1, 3),
    Calibration((-300, 4000, 77), (16_000, 16_500, 16_700)),
    30,
    Session(7, b"n" * 16, b"a" * 16),
)


def same_as_reference(image: TagImage, run: TagRun, cause: int = 0) -> None:
    """Every result, counter and word of the log."""
    outcome = image.reference(run.latest(), cause)
    assert outcome.differences == []
    assert run.counters() == outcome.tag.counters.payload()
    assert run.log() == outcome.flash.dump()


def test_a_tag_goes_by_what_it_is_told_at_once_and_after_a_reset(told_image: TagImage) -> None:
    recording = told_image.recording()
    run = told_image.start(recording)
    run.run(10)
    device = device_of(run)
    before = read_provision(device)
    assert before.generation == 0 and run.provision() == Provision()
    told = write_provision(device, TOLD, before)
    assert told.generation == 1 and told.keys and run.provision() == TOLD
    run.run(75)
    observed = run.latest().observed
    (provisioned,) = (call for call in observed.calls if call.kind == PROVISION)
    (gap,) = (call for call in observed.calls if call.kind == GAP)
    assert provisioned.arguments == (1, 30) and gap.samples >= provisioned.samples > 100
    samples, rows = observed.samples, recording.expected(recording.taken)
    assert np.array_equal(samples[: gap.samples], streamed(told_image.board, rows[: gap.samples]))
    # Behind the gap come other rows of the recording, calibrated and turned.
    after, turned = samples[gap.samples :], streamed(told_image.board, rows, TOLD)
    starts = [n for n in range(gap.samples, len(rows)) if np.array_equal(turned[n], after[0])]
    assert len(after) > 2500
    assert any(np.array_equal(after, turned[start : start + len(after)]) for start in starts)
    same_as_reference(told_image, run)
    assert [each.record.kind for each in read_log(run.log()).records].count(PERIOD) == 2
    # The supply fails and comes back.
    run.chip.power_on()
    run.run(10)
    assert run.latest().provision == TOLD and read_provision(device_of(run)) == told
    assert read_status(device_of(run)).sensor == "samples"
    run.run(40)
    same_as_reference(told_image, run)
    boots = [each.record for each in read_log(run.log()).records if each.record.kind == BOOT]
    assert [field(boot, "period_s") for boot in boots] == [100, 30]


def test_the_log_is_fetched_from_the_real_image(told_image: TagImage, tmp_path: Path) -> None:
    run, path = told_image.start(told_image.recording()), tmp_path / "tag.log"
    run.run(5)
    device = device_of(run)
    for number in range(60):  # an event each
        write_provision(device, Provision(f"cow-{number}"), read_provision(device))
        if number == 25:
            assert fetch(device, path).log.records == read_log(run.log()).records
    done = fetch(device, path)
    assert len(done.log.records) > 60 and not done.log.damage and done.new_records >= 34
    assert done.log.records == read_log(run.log()).records


def test_a_model_keeps_its_flash_from_run_to_run(told_image: TagImage, tmp_path: Path) -> None:
    """As the commands run it with --emulate: in a process of its own."""
    flash = tmp_path / "flash.bin"
    for generation in range(2):
        with running(told_image.board, told_image.elf, flash) as url, open_device(url) as device:
            device.timeout = 20.0  # on a busy computer the model takes seconds to start
            before = read_provision(device)
            assert before.generation == generation
            write_provision(device, TOLD, before)
    assert flash.stat().st_size == (128 << 10 if told_image.board.name == "collar" else 1 << 20)


RUNNERS = {"collar": ("openocd",), "eartag": ("openocd", "pyocd")}


def test_flashing_again_keeps_what_a_tag_was_told_and_its_log(
    told_image: TagImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flash, provision, flash again; with OpenOCD's and pyOCD's ways to erase."""
    run = told_image.start(told_image.recording())
    chip, region = run.chip, told_image.board.provision_region
    assert region is not None
    monkeypatch.setattr(flashing, "require_tool", lambda name, purpose: name)
    monkeypatch.setattr(flashing, "run_closed", lambda argv, seconds: run_runner(argv, chip))
    monkeypatch.setattr("mcukd.boards.debug_probes.serial_ports", list)
    for runner in RUNNERS[told_image.board.name]:
        flashing.flash(told_image.board, told_image.elf, FlashOptions(), runner)
        chip.power_on()
        run.run(10)
        device = device_of(run)
        told = write_provision(device, TOLD, read_provision(device))
        run.run(40)
        log, pages = read_log(run.log()).records, chip.core.read_memory(region.origin, region.length)
        assert len(log) > 3
        before = list(chip.flash.erasures)
        flashing.flash(told_image.board, told_image.elf, FlashOptions(), runner)
        kept = range(told_image.board.program_bytes // 4096, region.end // 4096)
        assert chip.flash.erasures[0] == before[0] + 1
        assert [chip.flash.erasures[page] for page in kept] == [before[page] for page in kept]
        chip.power_on()
        run.run(5)
        # Keys and all, word for word.
        assert chip.core.read_memory(region.origin, region.length) == pages
        assert read_provision(device_of(run)) == told and run.provision() == TOLD
        assert read_log(run.log()).records[: len(log)] == log
    # To lose it takes two words.
    erasing = FlashOptions(allow_erase=True), FlashOptions(erase_chip=True)
    for options, runner in zip(erasing, RUNNERS[told_image.board.name]):
        with pytest.raises(
            UserError, match="erases what the tag was told, its calibration and keys among it"
        ):
            flashing.flash(told_image.board, told_image.elf, options, runner)
        assert run.provision() == TOLD
        flashing.flash(told_image.board, told_image.elf, replace(options, erase_provisioning=True), runner)
        assert run.provision() == Provision()
        chip.power_on()
        run.run(5)
        device = device_of(run)
        assert read_provision(device).generation == 0
        write_provision(device, TOLD, read_provision(device))


def test_an_image_for_a_shorter_program_is_not_flashed(
    told_image: TagImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image that reaches into the log's pages, as one of a board file with fewer of them."""
    assert told_image.board.tag is not None
    longer = told_image.board.tag.model_copy(
        update={"log_pages": 27 if told_image.board.name == "collar" else 253}
    )
    board = told_image.board.model_copy(update={"tag": longer})
    with pytest.raises(UserError, match=r"lie in the flash that keeps the tag's log and what it was told"):
        flashing.flash(board, told_image.elf, FlashOptions())


def test_a_supply_that_fails_while_a_tag_is_told_leaves_the_old_or_the_new(told_image: TagImage) -> None:
    run = told_image.start(told_image.recording())
    run.run(3)
    write_provision(device_of(run), TOLD, read_provision(device_of(run)))
    operations = run.chip.flash.operations
    for number, operation in enumerate((1, 2, 12, 26, 27)):
        old, new = run.provision(), Provision(f"cow-{number}", period_s=60 + number)
        run.chip.flash.power_fails(run.chip.flash.operations + operation, seed=number)
        with pytest.raises(PowerLost):
            device = device_of(run)
            write_provision(device, new, read_provision(device))
        run.chip.power_on()
        run.run(3)
        assert run.provision() in (old, new)
        told = read_provision(device_of(run))
        assert told.provision.id in (old.id, new.id) and told.generation > number // 5
        assert write_provision(device_of(run), new, told).provision == new
    assert run.chip.flash.operations > operations
