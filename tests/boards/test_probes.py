"""Debug probes: several connected, or not the one named; the error lists serial numbers and --probe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from builders.runners import ELF, PLAIN, TWO_PROBES, WROTE, refusal

from mcukd.boards import debug_probes
from mcukd.boards.flashing import FlashOptions, flash
from mcukd.boards.model import load_board
from mcukd.boards.runner_output import probes_in
from mcukd.errors import UserError


def test_two_probes_are_named_with_the_flag(fake_runner: Callable[..., None]) -> None:
    fake_runner(
        "pyocd",
        TWO_PROBES,
        "read n || { echo '0000829 C Error: EOF when reading a line [__main__]'; exit 1; }",
    )
    message = refusal("pyocd")
    assert "name one with --probe SERIAL" in message
    assert "000683456789 (Segger J-Link OB), 0240000034 (Arm DAPLink CMSIS-DAP)" in message
    assert "cable" not in message


@pytest.mark.parametrize("script", ["exit 0", "read n; exit 0", "exit 1"])
def test_two_probes_are_named_however_the_runner_ends(fake_runner: Callable[..., None], script: str) -> None:
    fake_runner("pyocd", TWO_PROBES, script)
    assert "--probe SERIAL; connected are 000683456789" in refusal("pyocd")


@pytest.mark.parametrize(
    "says",
    [
        "Error: Multiple devices found, specify the desired device",
        "Error: multiple matching CMSIS-DAP adapters; choose one",
        "Error: more than one ST-LINK device",
    ],
)
def test_openocd_with_two_probes_names_those_that_pyocd_lists(
    fake_runner: Callable[..., None], says: str
) -> None:
    fake_runner("openocd", f"{says}\n", "exit 1")
    message = refusal("openocd")
    assert "name one with --probe SERIAL" in message and "'pyocd list'" in message
    fake_runner("pyocd", TWO_PROBES.split("Enter")[0])
    assert "connected are 000683456789 (Segger J-Link OB), 0240000034" in refusal("openocd")


def test_the_first_of_two_xds110_is_not_taken_in_silence(
    fake_runner: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenOCD's driver takes the first; a probe has two serial ports of one number."""
    fake_runner("openocd", WROTE)
    another = SimpleNamespace(vid=0x0451, pid=0x3410, serial_number="L3")  # of TI, and no probe
    ports = [SimpleNamespace(vid=0x0451, pid=0xBEF3, serial_number=n) for n in ("L1", "L1", "L2", "L2")]
    ports.append(another)
    monkeypatch.setattr(debug_probes, "serial_ports", lambda: ports)
    with pytest.raises(
        UserError, match=r"--probe SERIAL; connected are L1 \(TI XDS110\), L2 \(TI XDS110\)\."
    ):
        flash(load_board("collar"), ELF, PLAIN)
    assert flash(load_board("collar"), ELF, FlashOptions(probe="L2"))
    monkeypatch.setattr(debug_probes, "serial_ports", lambda: [*ports[:2], another])
    assert flash(load_board("collar"), ELF, PLAIN)


@pytest.mark.parametrize(
    ("runner", "says"),
    [
        (
            "pyocd",
            "No connected debug probe matches unique ID '77'\n0000829 E No target device available",
        ),
        ("openocd", "Error: No J-Link device found"),
    ],
)
def test_a_probe_that_is_not_there_is_named_with_those_that_are(
    fake_runner: Callable[..., None], runner: str, says: str
) -> None:
    listed = f"[ \"$1\" = list ] && cat << 'END'\n{TWO_PROBES.split('Enter')[0]}\nEND\nexit 1"
    fake_runner("pyocd", "", listed)
    fake_runner(runner, f"{says}\n", listed)
    message = refusal(runner, FlashOptions(probe="77"))
    assert "no debug probe with the serial number 77 answers (connected: 000683456789 (Segger" in message


def test_a_number_that_fits_two_probes_is_asked_whole(fake_runner: Callable[..., None]) -> None:
    says = "More than one debug probe matches unique ID '00':\nJ-Link | 000683456789\nJ-Link | 000683456788"
    fake_runner("pyocd", f"{says}\n0000829 E No target device available [load_cmd]\n", "exit 1")
    message = refusal("pyocd", FlashOptions(probe="00"))
    assert "--probe 00 fits several debug probes" in message and "000683456788 (J-Link)" in message


def test_several_probes_are_told_beside_a_pyocd_that_cannot_run(
    fake_runner: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "pyocd").write_text("#!/no/such/python\n")
    (tmp_path / "pyocd").chmod(0o755)
    fake_runner("openocd", "Error: multiple devices found\n", "exit 1")
    assert "name one with --probe SERIAL ('pyocd list' shows" in refusal("openocd")
    assert "cannot be run" in refusal_of_a_program("pyocd")


def refusal_of_a_program(runner: str) -> str:
    with pytest.raises(UserError) as caught:
        flash(load_board("eartag"), ELF, PLAIN, runner)
    return str(caught.value)


@pytest.mark.parametrize(
    "says",
    [
        "Error: Found 2 J-Link probes connected, use adapter serial",
        "Error: CMSIS-DAP: ambiguous; name one",
        "Error: 2 matching adapters found",
        "Error: 12 devices connected",
    ],
)
def test_several_probes_in_other_words(fake_runner: Callable[..., None], says: str) -> None:
    fake_runner("openocd", f"{says}\n", "exit 1")
    assert "name one with --probe SERIAL" in refusal("openocd")


def test_one_probe_that_is_not_found_is_not_several(fake_runner: Callable[..., None]) -> None:
    fake_runner(
        "openocd", "Error: 1 device found, 0 devices match\nError: No J-Link device found\n", "exit 1"
    )
    assert "several" not in refusal("openocd")


@pytest.mark.parametrize(
    "line",
    [
        "Info : CMSIS-DAP: Serial# = E6605838839B7F23",
        "serial number: E6605838839B7F23",
        "Serial=E6605838839B7F23",
    ],
)
def test_serial_numbers_are_read_in_other_spellings(line: str) -> None:
    assert list(probes_in(line)) == ["E6605838839B7F23"]


def test_a_probe_that_an_error_misses_is_not_listed_as_connected(fake_runner: Callable[..., None]) -> None:
    fake_runner("openocd", "Error: No J-Link device with serial number 77 found\n", "exit 1")
    message = refusal("openocd", FlashOptions(probe="77"))
    assert "serial number 77 answers (connected: nothing)" in message


def test_of_several_probes_not_only_the_one_that_was_opened_is_listed(
    fake_runner: Callable[..., None],
) -> None:
    fake_runner(
        "openocd", "Info : Serial# = 0240000034\nError: multiple matching CMSIS-DAP adapters\n", "exit 1"
    )
    fake_runner("pyocd", TWO_PROBES.split("Enter")[0])
    message = refusal("openocd")
    assert "000683456789 (Segger J-Link OB)" in message and "0240000034 (Arm DAPLink" in message
