"""The modelled SX1272: what it sends, what it forbids, its faults; and the registers that its driver names."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from mcukd.chips.radios.air import LoraPacket
from mcukd.chips.radios.faults import FAULTS
from mcukd.chips.radios.sx1272 import Sx1272
from mcukd.chips.registers import load_table
from mcukd.chips.stop import ChipStop
from mcukd.radio.lora import LoraSettings
from mcukd.resources import resource_dir

MS = 1_000_000
SETTINGS = {
    0x06: (916_800_000 << 19) // 32_000_000 >> 16, 0x07: (916_800_000 << 19) // 32_000_000 >> 8 & 0xFF,
    0x08: (916_800_000 << 19) // 32_000_000 & 0xFF, 0x09: 0x0F, 0x0E: 0, 0x1D: 0x0A, 0x1E: 0x94, 0x22: 5,
    0x39: 0x34, 0x40: 0x40,
}  # fmt: skip


class Host:
    """A chip's side of the bus."""

    def __init__(self, radio: Sx1272, ms: int = 20) -> None:
        self.radio = radio
        radio.advance(ms * MS)

    def access(self, *sent: int) -> bytes:
        self.radio.select(True)
        answer = self.radio.transfer(bytes(sent))
        self.radio.select(False)
        return answer

    def write(self, register: int, *values: int) -> None:
        self.access(register | 0x80, *values)

    def read(self, register: int) -> int:
        return self.access(register, 0)[1]

    def after(self, ms: float) -> None:
        self.radio.advance(self.radio.time_ns + round(ms * MS))

    def standby(self) -> None:
        """From power-up to LoRa standby, with settings."""
        for mode in (0x00, 0x80, 0x81):
            self.write(0x01, mode)
        for register, value in SETTINGS.items():
            self.write(register, value)
        self.after(1)


def test_a_packet_leaves_after_its_time_on_the_air_and_says_so() -> None:
    radio = Sx1272()
    host = Host(radio)
    assert host.read(0x42) == 0x22 and host.read(0x01) == 0x01
    host.standby()
    host.write(0x0D, 0)
    host.write(0x00, *b"hello")
    assert host.read(0x0D) == 5
    host.write(0x01, 0x83)
    began = radio.time_ns
    airtime = LoraSettings(9).airtime_ns(5)
    assert radio.next_event() == began + 60_000 + airtime
    host.after(airtime / MS)
    assert not radio.air and host.read(0x12) == 0 and not radio.pins.get("DIO0")
    host.after(0.1)
    (packet,) = radio.air
    assert packet == LoraPacket(began + 60_000, packet.frequency_hz, 14, 0x34, LoraSettings(9), b"hello")
    assert abs(packet.frequency_hz - 916_800_000) < 62 and packet.airtime_ns == airtime
    # It stands by again by itself; a one clears the flag and the pin.
    assert host.read(0x01) == 0x81 and host.read(0x12) == 8 and radio.pins["DIO0"]
    host.write(0x12, 0xFF)
    assert host.read(0x12) == 0 and not radio.pins["DIO0"]


@pytest.mark.parametrize(
    ("pa", "dac", "ocp", "dbm"),
    [
        (0x00, 0x84, 0x2B, -1),
        (0x0F, 0x84, 0x2B, 14),
        (0x80, 0x84, 0x2B, 2),
        (0x8F, 0x84, 0x2B, 17),
        (0x8F, 0x87, 0x32, 20),
    ],
)
def test_the_power_is_that_of_the_registers(pa: int, dac: int, ocp: int, dbm: int) -> None:
    radio = Sx1272()
    host = Host(radio)
    host.standby()
    for register, value in ((0x09, pa), (0x5A, dac), (0x0B, ocp)):
        host.write(register, value)
    host.write(0x01, 0x83)
    host.after(1000)
    assert radio.air[0].power_dbm == dbm


@pytest.mark.parametrize(
    ("does", "words"),
    [
        (lambda host: host.read(0x28), "register 0x28 is reached"),
        (lambda host: host.write(0x42, 1), "RegVersion, which is only read"),
        (lambda host: host.write(0x09, 0x70), "sets bits that the SX1272 has not"),
        (lambda host: host.write(0x5A, 0x07), "RegPaDac sets bits"),
        (lambda host: host.write(0x01, 0x01), "LongRangeMode is changed outside sleep"),
        (lambda host: host.write(0x01, 0x85), "its mode is not modelled"),
        (lambda host: (host.write(0x01, 0x80), host.write(0x00, 1)), "FIFO is reached asleep"),
        (lambda host: [host.write(0x01, mode) for mode in (0x80, 0x81)] + [host.write(0x00, 1)], "TS_OSC"),
        (lambda host: (host.write(0x01, 0x83), host.write(0x1E, 0x94)), "RegModemConfig2 while it sends"),
        (lambda host: (host.write(0x22, 0), host.write(0x01, 0x83)), "a packet of 0 bytes"),
        (lambda host: (host.write(0x06, 0x6C), host.write(0x01, 0x83)), "860 to 1020 MHz"),
        (lambda host: (host.write(0x1E, 0xC4), host.write(0x01, 0x83)), "LowDataRateOptimize"),
        (lambda host: (host.write(0x1E, 0x64), host.write(0x01, 0x83)), "is not modelled"),
        (lambda host: (host.write(0x21, 2), host.write(0x01, 0x83)), "preamble is 2"),
        (lambda host: (host.write(0x09, 0x8F), host.write(0x5A, 0x87), host.write(0x01, 0x83)), "RegOcp"),
        (lambda host: (host.write(0x5A, 0x86), host.write(0x09, 0x80), host.write(0x01, 0x83)), "no power"),
    ],
)
def test_what_the_data_sheet_forbids_stops_the_model(does: Callable[[Host], object], words: str) -> None:
    host = Host(Sx1272())
    host.standby()
    with pytest.raises(ChipStop, match=words):
        does(host)


def test_it_is_silent_until_it_has_power_for_10_ms_and_forgets_its_fifo_asleep() -> None:
    with pytest.raises(ChipStop, match="before 10 ms after power-up"):
        Host(Sx1272(), ms=9).read(0x42)
    host = Host(Sx1272())
    host.standby()
    host.write(0x0D, 0)
    host.write(0x00, 0x55)
    for mode in (0x80, 0x81):
        host.write(0x01, mode)
    host.after(1)
    host.write(0x0D, 0)
    assert host.read(0x00) == 0 and host.radio.slept_from is None


def test_faults_come_and_go() -> None:
    for name, seen in (("absent", 0), ("absent-high", 0xFF), ("wrong-version", 0x12)):
        host = Host(FAULTS[name](30 * MS, 40 * MS))
        assert host.read(0x42) == 0x22
        host.after(15)
        assert host.read(0x42) == seen
        host.after(15)
        assert host.read(0x42) == 0x22
    host = Host(FAULTS["forgets"]())
    host.write(0x39, 0x34)
    assert host.read(0x39) == 0x12
    host = Host(FAULTS["never-done"]())
    host.standby()
    host.write(0x01, 0x83)
    host.after(5000)
    assert host.read(0x12) == 0 and host.read(0x01) == 0x83 and not host.radio.air


def registers_of_the_driver(text: str) -> dict[str, int]:
    return {name: int(at, 0) for name, at in re.findall(r"^#define (REG_\w+) (0x[0-9A-F]+)u$", text, re.M)}


def test_the_driver_names_registers_as_the_table_has_them() -> None:
    text = (resource_dir("firmware_templates") / "radio" / "sx1272" / "radio_sx1272.c").read_text()
    table = {one.name: one for one in load_table("sx1272").peripherals["SX1272"].registers}
    found = registers_of_the_driver(text)
    assert len(found) == 18

    def vendors(name: str) -> str:
        return "Reg" + "".join(part.capitalize() for part in name[4:].split("_"))

    assert {vendors(name): at for name, at in found.items()} == {
        vendors(name): table[vendors(name)].address for name in found
    }
    constants = {name: eval(value.replace("u", "")) for name, value in re.findall(
        r"^#define (OP_MODE_\w+|IRQ_FLAGS_\w+|PA_DAC_\w+|OCP_\w+|SX1272_VERSION) \(?(1u << \d+|0x\w+|\d+u)\)?", text, re.M)}  # fmt: skip
    fields = {"OP_MODE_LONG_RANGE": ("RegOpMode", "LongRangeMode", 1), "OP_MODE_STANDBY": ("RegOpMode", "Mode", 1),
              "OP_MODE_TX": ("RegOpMode", "Mode", 3), "IRQ_FLAGS_TX_DONE": ("RegIrqFlags", "TxDone", 1)}  # fmt: skip
    for name, (register, field, value) in fields.items():
        mask = table[register].fields[field]
        assert constants[name] == (mask & -mask) * value
    assert constants["OP_MODE_SLEEP"] == 0 and constants["SX1272_VERSION"] == table["RegVersion"].reset
    assert constants["PA_DAC_DEFAULT"] == table["RegPaDac"].reset and constants["PA_DAC_20_DBM"] == 0x87
    # Limits of the current are 45 mA + 5 mA a step up to 120 mA, then -30 mA + 10 mA a step (section 5.4.4).
    assert constants["OCP_100_MA"] == table["RegOcp"].reset == 0x20 | (100 - 45) // 5
    assert constants["OCP_150_MA"] == 0x20 | (150 + 30) // 10
