"""Semtech's SX1272 in LoRa mode, as far as a tag sends with it (SX1272/73 data sheet, rev. 2).

It stops the model where the firmware does what the data sheet forbids: a register or bit that is not there,
the FIFO asleep or before the crystal runs, settings changed while it sends. Receiving, FSK and frequency
hopping are not modelled.
"""

from __future__ import annotations

from mcukd.chips.bus import SPIDevice
from mcukd.chips.radios.air import LoraPacket
from mcukd.chips.registers import load_table
from mcukd.chips.stop import ChipStop
from mcukd.radio.lora import BANDWIDTHS_HZ, LoraSettings

VERSION = 0x22
#: Power-up (section 7.2.1), crystal and synthesizer (section 2.5.2, typical values).
_POWER_UP_NS, _CRYSTAL_NS, _SYNTHESIZER_NS = 10_000_000, 250_000, 60_000
_SLEEP, _STANDBY, _TX = 0, 1, 3
_CRYSTAL_HZ = 32_000_000
_BAND_HZ = (860_000_000, 1_020_000_000)
_TX_DONE, _DIO0_TX_DONE = 1 << 3, 1
#: RegPaDac for up to +17 dBm, and for +20 dBm, whose current needs another limit (section 5.4.3).
_DAC_DEFAULT, _DAC_20_DBM, _LEAST_OCP_20_DBM = 0x84, 0x87, 0x11
#: Bits that read as ones or zeros and may be written as they are.
_FREE = {"RegPaDac": 0xF8}


class Sx1272(SPIDevice):
    """The radio. air: packets that left its antenna. Its output DIO0 says that one has."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "SX1272"
        table = load_table("sx1272").peripherals["SX1272"]
        self._registers = {one.address: one for one in table.registers}
        self._addresses = {one.name: one.address for one in table.registers}
        self.air: list[LoraPacket] = []
        self.slept_from: int | None = None
        self._ready_ns = _POWER_UP_NS
        self.version = VERSION
        self.reset()

    def reset(self) -> None:
        """Lose all settings, as at power-up."""
        self.values = {name: self._registers[at].reset for name, at in self._addresses.items()}
        self._fifo = bytearray(256)
        self._crystal_ns = self.time_ns
        self._done_ns: int | None = None
        self._sends: LoraPacket | None = None
        self._address: int | None = None
        self._update_pin()

    @property
    def mode(self) -> int:
        """The operating mode: 0 asleep, 1 standby, 3 sending."""
        return self.values["RegOpMode"] & 7

    # --- The bus (section 4.3) ------------------------------------------------------------------------

    def select(self, selected: bool) -> None:
        """Begin or end an access."""
        self._address = None

    def transfer(self, data: bytes) -> bytes:
        """Take an address and values, or give values."""
        return bytes(self._byte(byte) for byte in data)

    def _byte(self, byte: int) -> int:
        if self.time_ns < self._ready_ns:
            raise ChipStop(f"the SX1272 is reached before {_POWER_UP_NS // 1_000_000} ms after power-up")
        if self._address is None:
            self._address, self._writes = byte & 0x7F, bool(byte & 0x80)
            return 0
        at = self._address
        register = self._registers.get(at)
        if register is None:
            raise ChipStop(f"the SX1272's register {at:#04x} is reached, which is not modelled")
        if register.name != "RegFifo":
            self._address = (at + 1) & 0x7F
        if not self._writes:
            return self._read(register.name)
        if "w" not in register.access:
            raise ChipStop(f"the write of {byte:#04x} to the SX1272's {register.name}, which is only read")
        fixed = _FREE.get(register.name, 0)
        unknown = byte & ~sum(register.fields.values()) & 0xFF & ~fixed
        if unknown or byte & fixed != register.reset & fixed:
            raise ChipStop(f"the write of {byte:#04x} to {register.name} sets bits that the SX1272 has not")
        self._write(register.name, byte)
        return 0

    def _read(self, name: str) -> int:
        if name == "RegFifo":
            return self._at_fifo()
        return self.version if name == "RegVersion" else self.values[name]

    def _at_fifo(self, value: int | None = None) -> int:
        if not self.values["RegOpMode"] & 0x80 or self.mode == _SLEEP:
            raise ChipStop("the SX1272's FIFO is reached asleep or outside LoRa mode (section 4.1.3)")
        if self.time_ns < self._crystal_ns:
            raise ChipStop("the SX1272's FIFO is reached before its crystal has started (TS_OSC)")
        at = self.values["RegFifoAddrPtr"]
        self.values["RegFifoAddrPtr"] = (at + 1) & 0xFF
        if value is not None:
            self._fifo[at] = value
        return self._fifo[at]

    def _write(self, name: str, value: int) -> None:
        if name == "RegFifo":
            self._at_fifo(value)
        elif name == "RegOpMode":
            self._change_mode(value)
        elif name == "RegIrqFlags":
            self.values[name] &= ~value
        elif self.mode > _STANDBY:
            raise ChipStop(f"the write of the SX1272's {name} while it sends; go to standby first")
        else:
            self.values[name] = value
        self._update_pin()

    # --- Sending (section 4.1.4) ----------------------------------------------------------------------

    def _change_mode(self, value: int) -> None:
        before, mode = self.values["RegOpMode"], value & 7
        if (value ^ before) & 0x80 and before & 7 != _SLEEP:
            raise ChipStop("the SX1272's LongRangeMode is changed outside sleep (section 4.1.3)")
        if value & 0x40 or mode not in (_SLEEP, _STANDBY, _TX):
            raise ChipStop(f"the write of {value:#04x} to the SX1272's RegOpMode: its mode is not modelled")
        self.values["RegOpMode"] = value
        self._done_ns = self._sends = None  # what was under way is cut
        if mode == _SLEEP:
            self._fifo = bytearray(256)
            if self.slept_from is None:
                self.slept_from = self.time_ns
            return
        self.slept_from = None
        if before & 7 == _SLEEP:
            self._crystal_ns = self.time_ns + _CRYSTAL_NS
        if mode == _TX:
            self._send()

    def _send(self) -> None:
        if not self.values["RegOpMode"] & 0x80:
            raise ChipStop("the SX1272 is to send outside LoRa mode, which is not modelled")
        count, base = self.values["RegPayloadLength"], self.values["RegFifoTxBaseAddr"]
        if count == 0:
            raise ChipStop("the SX1272 is to send a packet of 0 bytes (RegPayloadLength)")
        data = bytes(self._fifo[(base + n) & 0xFF] for n in range(count))
        begin = max(self.time_ns, self._crystal_ns) + _SYNTHESIZER_NS
        sync = self.values["RegSyncWord"]
        packet = LoraPacket(begin, self._frequency(), self._power(), sync, self._settings(), data)
        self._sends, self._done_ns = packet, begin + packet.airtime_ns

    def _frequency(self) -> int:
        steps = int.from_bytes(bytes(self.values[f"RegFrf{part}"] for part in ("Msb", "Mid", "Lsb")), "big")
        hertz = round(steps * _CRYSTAL_HZ / (1 << 19))
        if not _BAND_HZ[0] <= hertz <= _BAND_HZ[1]:
            raise ChipStop(f"the SX1272 is to send at {hertz:,} Hz, but it has 860 to 1020 MHz")
        return hertz

    def _power(self) -> int:
        config, dac = self.values["RegPaConfig"], self.values["RegPaDac"]
        if not config & 0x80:
            return (config & 0x0F) - 1
        if dac == _DAC_DEFAULT:
            return (config & 0x0F) + 2
        if dac != _DAC_20_DBM or config & 0x0F != 0x0F:
            raise ChipStop(f"RegPaDac is {dac:#04x} and RegPaConfig {config:#04x}, which is no power")
        if self.values["RegOcp"] & 0x20 and self.values["RegOcp"] & 0x1F < _LEAST_OCP_20_DBM:
            raise ChipStop("the SX1272 sends at +20 dBm with a limit of its current (RegOcp) below 140 mA")
        return 20

    def _settings(self) -> LoraSettings:
        first, second = self.values["RegModemConfig1"], self.values["RegModemConfig2"]
        factor, width, rate = second >> 4, first >> 6, first >> 3 & 7
        if not 7 <= factor <= 12 or width > 2 or not 1 <= rate <= 4 or second & 8:
            raise ChipStop(f"RegModemConfig holds {first:#04x} and {second:#04x}, which is not modelled")
        preamble = self.values["RegPreambleMsb"] << 8 | self.values["RegPreambleLsb"]
        header, crc = not first & 4, bool(first & 2)
        settings = LoraSettings(factor, BANDWIDTHS_HZ[width], rate + 4, preamble, header, crc)
        if preamble < 6 or self.values["RegHopPeriod"]:
            raise ChipStop(f"the SX1272's preamble is {preamble}, or it is to hop; neither is modelled")
        if settings.low_data_rate != bool(first & 1):
            raise ChipStop("LowDataRateOptimize of RegModemConfig1 has to be set where a symbol takes 16 ms")
        return settings

    def done(self) -> None:
        """Let the packet be sent: it says so, and goes to standby by itself."""
        assert self._sends is not None
        self.air.append(self._sends)
        self._sends = self._done_ns = None
        self.values["RegOpMode"] = (self.values["RegOpMode"] & ~7) | _STANDBY
        if not self.values["RegIrqFlagsMask"] & _TX_DONE:
            self.values["RegIrqFlags"] |= _TX_DONE
        self._update_pin()

    def _update_pin(self) -> None:
        mapped = self.values["RegDioMapping1"] >> 6 == _DIO0_TX_DONE
        self.set_pin("DIO0", mapped and bool(self.values["RegIrqFlags"] & _TX_DONE))

    def advance(self, time_ns: int) -> None:
        """Bring it to a time."""
        super().advance(time_ns)
        if self._done_ns is not None and time_ns >= self._done_ns:
            self.done()

    def next_event(self) -> int | None:
        """Return when the packet under way will be sent."""
        return self._done_ns
