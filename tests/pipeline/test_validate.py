"""Validate stage and command, on a study with a random student."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.students import extreme_windows, random_windows
from builders.studies import simulated_study
from typer.testing import CliRunner, Result

from mcukd.boards.launch import running, tools_missing
from mcukd.boards.model import load_board
from mcukd.cli import app as app_module
from mcukd.codegen.firmware import read_firmware_sha256
from mcukd.errors import UserError
from mcukd.fixedpoint.model import load_model
from mcukd.harness.comparison import exercise
from mcukd.harness.faults import Faults, bad_line
from mcukd.harness.messages import Identity
from mcukd.harness.probes import choose_probes, extremes, spread
from mcukd.harness.protocol import Device, open_device
from mcukd.harness.recorded import RECORDED_FILE, keep_recorded, read_recorded
from mcukd.pipeline.firmware import ensure_built
from mcukd.pipeline.validate import proof_windows, validate_study
from mcukd.study import Study

FIXED_KEYS = {
    "board", "emulated", "model_sha256", "firmware_sha256", "windows", "mismatches", "first_mismatch",
    "instructions_per_window", "cycles_per_window", "flash_bytes", "ram_bytes", "stack_high_water_bytes",
    "bytes_sent", "bytes_received", "retries", "seconds",
}  # fmt: skip

native_only = pytest.mark.skipif(
    bool(tools_missing(load_board("native"))) or shutil.which("cc") is None, reason="needs a host C compiler"
)
#: Of the windows sent to emulated boards; more bytes than one frame holds.
STEPS = 64
TWINS = ("collar-emulated", "eartag-emulated")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return simulated_study(tmp_path_factory.mktemp("runs") / "a")


@pytest.fixture(scope="module")
def short_study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """For emulated boards, whose UART takes its time for every byte."""
    return simulated_study(tmp_path_factory.mktemp("runs") / "a", steps=STEPS)


@pytest.fixture(scope="module")
def carried_study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Of a student whose state goes through a whole recording."""
    return simulated_study(tmp_path_factory.mktemp("runs") / "a", steps=STEPS // 2, stream=True)


@pytest.fixture
def cli(study: Study, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("MCUKD_PORT", raising=False)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app_module.app, ["validate", "--run", str(study.path), *arguments])

    return run


@contextmanager
def native(study: Study) -> Iterator[str]:
    """The URL of the native board running the study's firmware, as a real device on a port would."""
    board = load_board("native")
    with running(board, ensure_built(study, board).elf) as url:
        yield url


@native_only
def test_the_command_proves_the_native_board_and_writes_every_fixed_key(cli: Any, study: Study) -> None:
    result = cli("--board", "native", "--windows", "12", "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(study.file("validation", "native.json").read_text())
    assert set(facts) >= FIXED_KEYS | {"selftest", "counter_kind"}
    assert (facts["windows"], facts["mismatches"], facts["retries"]) == (12, 0, 0)
    assert facts["emulated"] and facts["selftest"]["passed"] and facts["first_mismatch"] is None
    assert json.loads(result.stdout) == facts
    Study.open(study.path).require("validate:native")


@native_only
def test_the_table_says_emulated_and_equal(cli: Any) -> None:
    result = cli("--board", "native", "--windows", "2")
    assert "Where it ran: emulated: as a program of this computer." in result.output
    assert "native (emulated)" in result.output and "of 2 windows is equal" in result.output


@native_only
def test_a_port_is_proved_like_the_board_itself(study: Study) -> None:
    with native(study) as url:
        facts = validate_study(study, load_board("native"), port=url, windows=4)
    assert facts["mismatches"] == 0 and facts["bytes_sent"] > 4 * 1536
    assert facts["reached"]["kind"] == "pseudo-terminal" and facts["emulated"]


@native_only
def test_a_port_that_drops_every_tenth_byte_is_proved_with_retries(study: Study) -> None:
    with native(study) as url, bad_line(url, Faults(drop_every=10)) as line:
        facts = validate_study(study, load_board("native"), port=line, windows=3)
    assert facts["mismatches"] == 0 and facts["retries"] > 0


@native_only
def test_an_image_that_calls_itself_hardware_behind_a_socket_is_not_believed(
    cli: Any, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the very image of a tag on a modelled chip does: no flag, and a cycle counter that stands still."""
    who = Device.who
    claims = {"emulated": False, "counter_kind": "cycles"}
    monkeypatch.setattr(Device, "who", lambda device: claim(device, replace(who(device), **claims)))

    def claim(device: Device, identity: Identity) -> Identity:
        device.identity = identity
        return identity

    with native(study) as url, bad_line(url, Faults()) as line:
        result = cli("--board", "native", "--port", line, "--windows", "2")
    facts = json.loads(study.file("validation", "native.json").read_text())
    said = " ".join(result.output.split())
    assert result.exit_code == 0, said
    assert facts["emulated"] is True and facts["image_emulated"] is False
    assert facts["reached"]["kind"] == "socket" and facts["reached"]["through"] == line
    assert "what is at its other end is not known to mcukd" in said and "hardware" not in said
    assert (facts["cycles_per_window"], facts["count_range"]) == (None, None)
    assert "The cycle counter stood still" in said and "cycles per window" not in said


@native_only
def test_another_studys_firmware_is_refused_before_any_window(study: Study, tmp_path: Path) -> None:
    other = simulated_study(tmp_path / "b", seed=1)
    ensure_built(study, load_board("native"))
    before = study.file("validation", "native.json")
    known = before.read_bytes() if before.exists() else None
    with (
        native(other) as url,
        pytest.raises(UserError, match=r"carries model .* expected the study's") as caught,
    ):
        validate_study(study, load_board("native"), port=url, windows=2)
    assert "\n" not in str(caught.value)
    assert (before.read_bytes() if before.exists() else None) == known


@native_only
def test_a_wrong_value_ends_with_1_and_is_named(
    cli: Any, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mcukd.harness.comparison as validate_module

    def altered(model: Any, counts: Any) -> Any:
        outcome = run(model, counts)
        outcome.state_crc[1] ^= 1
        return outcome

    run = validate_module.run
    monkeypatch.setattr(validate_module, "run", altered)
    result = cli("--board", "native", "--windows", "3")
    assert result.exit_code == 1
    assert "First mismatch: window 1 (recorded " in result.output
    assert "every traced step agrees" in " ".join(result.output.split())
    monkeypatch.undo()
    assert cli("--board", "native", "--windows", "3").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--board", "collar"], r"'collar' is hardware: give --port .* or --emulate"),
        (["--board", "native", "--windows", "0"], "--windows is 0"),
        (["--board", "no-such-board"], "no board 'no-such-board'"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(cli: Any, arguments: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        raise cli(*arguments).exception


@native_only
def test_a_port_from_the_environment_gives_way_to_emulate(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCUKD_PORT", "loop://")
    assert cli("--board", "native", "--emulate", "--windows", "2").exit_code == 0
    assert "only echoes" in str(cli("--board", "native", "--windows", "2").exception)


def test_emulate_and_port_exclude_each_other(study: Study) -> None:
    with pytest.raises(UserError, match="--emulate and --port exclude"):
        validate_study(study, load_board("collar"), emulate=True, port="loop://")


# Windows to send


def test_few_probes_meet_all_classes_and_several_animals() -> None:
    windows = random_windows(400, 8)
    chosen = windows.take(spread(windows, 8))
    assert set(chosen.labels.tolist()) == {0, 1, 2, 3}
    assert len(set(chosen.animals.tolist())) >= 4
    many = spread(windows, 200)
    assert len(set(many.tolist())) == 200
    counts = np.bincount(windows.take(many).labels, minlength=4)
    assert counts.min() >= 45


def test_extremes_are_always_among_the_probes_and_fill_what_is_missing() -> None:
    windows = random_windows(10, 8)
    probes = choose_probes(windows, 20)
    assert len(probes.counts) == len(probes.origins) == 20
    assert probes.extremes == 10 and len(set(probes.origins)) == 20
    assert choose_probes(random_windows(400, 8), 200).extremes == 8
    assert choose_probes(windows, 1).extremes == 0
    again = choose_probes(windows, 20)
    assert np.array_equal(again.counts, probes.counts)


def test_extremes_reach_both_ends() -> None:
    made = dict(extremes(9, 16, 3))
    assert len(made) == 9
    everything = np.stack(list(made.values()))
    assert everything.dtype == np.int16 and everything.min() == -32768 and everything.max() == 32767


# Emulated boards


@pytest.fixture(scope="module")
def on_twin(short_study: Study) -> Any:
    """The proof of a board's twin in QEMU, made once."""
    proofs: dict[str, Any] = {}

    def prove(name: str) -> Any:
        if name not in proofs:
            proofs[name] = validate_study(short_study, load_board(f"{name}-emulated"), windows=6)
        return proofs[name]

    return prove


@pytest.mark.emulator
@pytest.mark.parametrize("name", ["collar", "eartag"])
def test_an_emulated_board_computes_every_value(short_study: Study, on_twin: Any, name: str) -> None:
    facts, name = on_twin(name), f"{name}-emulated"
    assert facts["mismatches"] == 0 and facts["selftest"]["passed"]
    assert (facts["board"], facts["ran_on"], facts["emulated"]) == (name, name, True)
    assert facts["reached"]["kind"] == "qemu" and facts["reached"]["through"].startswith("mps2-")
    assert facts["counter_kind"] == "instructions" and facts["cycles_per_window"] is None
    least, most = facts["count_range"]
    assert STEPS * 8 * 11 * 3 < least <= facts["instructions_per_window"] <= most
    assert 0 < facts["stack_high_water_bytes"] < 2048
    assert facts["ram_bytes"] < 20_480 and facts["flash_bytes"] < 131_072
    short_study.require(f"validate:{name}")


@pytest.mark.emulator
@pytest.mark.parametrize(("name", "chip"), [("collar", "CC2650F128"), ("eartag", "nRF52840")])
def test_the_real_image_computes_every_value_on_the_modelled_chip(
    short_study: Study, on_twin: Any, cli: Any, name: str, chip: str
) -> None:
    """The image that would be flashed, not a twin's; QEMU is a second opinion on its instructions."""
    facts = validate_study(short_study, load_board(name), emulate=True, windows=40)
    assert facts["mismatches"] == 0 and facts["selftest"]["passed"] and facts["streaming"]["passed"]
    assert (facts["board"], facts["ran_on"], facts["image_emulated"]) == (name, name, False)
    assert facts["emulated"] is True and facts["cycles_per_window"] is None
    assert facts["reached"]["kind"] == "modelled chip" and facts["reached"]["through"] == chip
    assert facts["firmware_sha256"] == read_firmware_sha256(short_study.file("firmware", name))
    in_qemu = on_twin(name)["instructions_per_window"]
    # QEMU's timer ticks every 40 instructions; a window here has some 20,000.
    assert abs(facts["instructions_per_window"] - in_qemu) <= max(40, 0.001 * in_qemu)
    arguments = ["validate", "--run", str(short_study.path), "--board", name, "--emulate", "--windows", "2"]
    said = " ".join(CliRunner().invoke(app_module.app, arguments).stdout.split())
    assert f"{name} (real image, modelled chip) against the integer reference" in said
    assert f"the image that would be flashed to {name}, on a model of the {chip}" in said
    assert "on the hardware" not in said


@pytest.mark.emulator
def test_what_the_modelled_chip_does_not_allow_is_said(
    short_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image whose console runs at another baud rate than the board file says."""
    board = load_board("collar")
    elf = ensure_built(short_study, board).elf
    slower = board.model_copy(update={"console": board.console.model_copy(update={"baud": 57_600})})
    with (
        pytest.raises(
            UserError, match=r"\(port_init\+0x\w+\): UART0 runs at 115\d\d\d baud, but the line at 57600"
        ),
        running(slower, elf) as url,
        open_device(url) as device,
    ):
        device.who()


@pytest.mark.emulator
def test_an_emulated_board_behind_a_line_that_drops_every_tenth_byte(short_study: Study) -> None:
    board = load_board("collar-emulated")
    elf = ensure_built(short_study, board).elf
    with running(board, elf) as url, bad_line(url, Faults(drop_every=10)) as line:
        facts = validate_study(short_study, board, port=line, windows=2)
    assert facts["mismatches"] == 0 and facts["retries"] > 0


@pytest.mark.emulator
@pytest.mark.parametrize("name", [*TWINS, "native"])
def test_a_carried_state_is_proven_on_every_board(carried_study: Study, name: str) -> None:
    facts = validate_study(carried_study, load_board(name), windows=4)
    assert facts["mismatches"] == 0 and facts["streaming"] == {"passed": True}
    assert facts["selftest"]["passed"]
    sources = carried_study.file("firmware", name)
    assert "MCUKD_MODEL_STREAM 1" in (sources / "mcukd_model.h").read_text()


@pytest.mark.emulator
def test_the_stack_figure_is_of_the_deepest_request(short_study: Study) -> None:
    """RUN alone is not the deepest; what another request took stays in the figure of those after it."""
    board = load_board("collar-emulated")
    window = extreme_windows(4, STEPS)[3]
    with running(board, ensure_built(short_study, board).elf) as url, open_device(url) as device:
        alone = device.run_window(window).stack_bytes
        exercise(device, window)
        after = device.run_window(window).stack_bytes
        again = device.run_window(window).stack_bytes
    assert alone is not None and after is not None
    assert alone < after == again < 2048


@pytest.mark.emulator
def test_the_other_tag_is_refused(short_study: Study) -> None:
    collar, eartag = load_board("collar-emulated"), load_board("eartag-emulated")
    ensure_built(short_study, eartag)
    sentence = "is board 'collar-emulated', expected 'eartag-emulated'"
    elf = ensure_built(short_study, collar).elf
    with running(collar, elf) as url, pytest.raises(UserError, match=sentence):
        validate_study(short_study, eartag, port=url, windows=2)


@native_only
def test_a_board_is_proven_where_card_and_recordings_are_gone(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A laptop in the field has the study alone, and no package that reads recordings."""
    path = Path(shutil.copytree(study.path, tmp_path / "runs/copy"))
    manifest = json.loads((path / "study.json").read_text())
    (path / "study.json").write_text(json.dumps({**manifest, "card": str(tmp_path / "gone.toml")}))
    monkeypatch.setitem(sys.modules, "pandas", None)
    facts = validate_study(Study.open(path), load_board("native"), windows=12)
    assert (facts["windows"], facts["extreme_windows"], facts["mismatches"]) == (12, 3, 0)


def copied(study: Study, folder: Path) -> Study:
    return Study.open(Path(shutil.copytree(study.path, folder / "runs/copy")))


@pytest.mark.parametrize("change", [Path.unlink, lambda file: file.write_bytes(file.read_bytes() + b" ")])
def test_recorded_windows_are_made_again_where_the_recordings_are(
    study: Study, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    copy = copied(study, tmp_path)
    change(copy.file(RECORDED_FILE))
    board, model = load_board("native"), load_model(copy.path)
    assert (
        proof_windows(copy, board, model, 9).probes.sha256
        == proof_windows(study, board, model, 9).probes.sha256
    )
    # Of other recordings than the model was quantized with they would be another proof.
    copy.file(RECORDED_FILE).unlink()
    copy.manifest["stages"]["quantize"]["inputs"]["data"] = "0" * 64
    with pytest.raises(UserError, match="missing, .* copy it from .* recordings are others than those that"):
        proof_windows(copy, board, model, 9)


def test_recorded_windows_that_are_missing_without_recordings_are_one_sentence(
    study: Study, tmp_path: Path
) -> None:
    copy = copied(study, tmp_path)
    copy.manifest["card"] = str(tmp_path / "gone.toml")
    copy.file(RECORDED_FILE).write_bytes(b"")
    with pytest.raises(UserError, match=r"windows\.npz: changed .* copy it from .*gone\.toml: no such"):
        proof_windows(copy, load_board("native"), load_model(copy.path), 4)


def test_recorded_windows_of_another_scale_than_the_model_are_refused(study: Study, tmp_path: Path) -> None:
    """Counts of one scale sent to a model of another would be compared, and agree."""
    copy = copied(study, tmp_path)
    windows = replace(read_recorded(copy).windows, counts_per_g=1024.0)
    keep_recorded(copy, windows, 4.0)
    with pytest.raises(UserError, match=r"keeps have 256 samples of 3 axes at 1024 counts per g.* at 512;"):
        proof_windows(copy, load_board("native"), load_model(copy.path), 4)


@native_only
def test_one_window_is_told_as_one(cli: Any) -> None:
    assert "of 1 window is equal." in " ".join(cli("--board", "native", "--windows", "1").stdout.split())
