"""The CC2650 with its memories and peripherals."""

from __future__ import annotations

import random
from typing import Any

from mcukd.chips.chip import BROWN_OUT, POWER, Chip
from mcukd.chips.console import Console
from mcukd.chips.flash import Flash
from mcukd.chips.registers import PeripheralTable, load_table
from mcukd.chips.space import Peripheral
from mcukd.chips.stop import ChipStop
from mcukd.chips.ti.flash import FlashController, Rom, Vims
from mcukd.chips.ti.i2c import I2c
from mcukd.chips.ti.pins import Gpio, Ioc
from mcukd.chips.ti.power import RESET_SOURCES, BatteryMonitor, Prcm, SystemControlAon, WakeUpControl
from mcukd.chips.ti.rtc import AonRtc, Watchdog
from mcukd.chips.ti.ssi import Ssi
from mcukd.chips.ti.uart import Uart

_FLASH_BYTES, _SECTOR = 128 << 10, 4096
#: A row of 256 bytes takes at most 83 writes between two erases (data sheet SWRS158).
_ROW, _WRITES_PER_ROW = 256, 83
#: The configuration words (CCFG) fill the last 88 bytes of flash (SWCU117, chapter 9).
_CCFG, _CCFG_WORDS, _IMAGE_VALID, _SIZE_FLAGS = _FLASH_BYTES - 88, 22, 17, 2
#: The part of an IEEE address that TI holds, 00:12:4B, as MAC_15_4_1 has it.
_TI_PREFIX = 0x00124B00


class CC2650(Chip):
    """CC2650F128. The boot ROM's part is modelled: it starts the image that the configuration words name."""

    name = "CC2650"
    core_model = "cortex-m3"
    clock_hz = 48_000_000
    interrupts = 34
    ram = (0x20000000, 20 << 10)
    pin_count = 31

    def __init__(self, console: Console | None = None, seed: int = 0) -> None:
        super().__init__(console, seed)
        core, table = self.core, load_table("cc2650").peripherals
        core.add_read_only(0, _FLASH_BYTES, self._store)
        core.add_memory(*self.ram, changing_code=True)
        core.write_memory(0, b"\xff" * _FLASH_BYTES)
        self.flash = Flash(
            0, _FLASH_BYTES, _SECTOR, _ROW, _WRITES_PER_ROW, core.read_memory, core.write_memory
        )
        self.prcm = Prcm(table["PRCM"], core)
        self.vims = Vims(table["VIMS"], core)
        self.rom = Rom(core, self.flash, self.vims, _FLASH_BYTES - _SECTOR)
        self.ioc = Ioc(table["IOC"], core, self.pins)
        self.sysctl = SystemControlAon(table["AON_SYSCTL"], core)
        self.battery = BatteryMonitor(table["AON_BATMON"])
        self.rtc = AonRtc(table["AON_RTC"], core)
        self.watchdog = Watchdog(table["WDT"], core)
        self.uart = Uart(table["UART0"], core, self.prcm, self.ioc, console)
        self.ioc.on_change = self.uart.line_changed
        for peripheral in (
            self.prcm,
            self.vims,
            self.ioc,
            self.sysctl,
            self.battery,
            self.uart,
            self.rtc,
            self.watchdog,
            I2c(table["I2C0"], core, self.prcm, self.ioc, self.i2c_bus, self.sync_devices),
            Ssi(table["SSI0"], core, self.prcm, self.ioc, self.spi_bus, self.sync_devices),
            Gpio(table["GPIO"], core, self.prcm, self.ioc),
            FlashController(table["FLASH"]),
            WakeUpControl(table["AON_WUC"]),
            Peripheral(table["AON_EVENT"]),
            Peripheral(table["AON_IOC"]),
            self._factory(table["FCFG1"], seed),
        ):
            self.space.attach(peripheral)
        core.add_registers(0x40000000, 0x100000)
        core.add_registers(0x50001000, 0x1000)

    def _factory(self, table: PeripheralTable, seed: int) -> Peripheral:
        """Return FCFG1 with the addresses that the factory wrote: TI's prefix and the chip's own number."""
        factory = Peripheral(table)
        number = random.Random(f"{seed} FCFG1").getrandbits(32)
        factory.values.update(
            MAC_15_4_0=number, MAC_15_4_1=_TI_PREFIX, MAC_BLE_0=number, MAC_BLE_1=_TI_PREFIX
        )
        factory.reset = lambda: None  # type: ignore[method-assign]
        return factory

    def _store(self, address: int, size: int, value: int) -> None:
        raise ChipStop(
            f"the store of {value:#x} into flash at {address:#010x}, which is written by the ROM's functions"
        )

    def after_reset(self, reason: str) -> None:
        if reason in (POWER, BROWN_OUT):
            self.rtc.power_on()
        self.sysctl.source = RESET_SOURCES[reason]
        self.core.vector_table = self._boot()

    def _boot(self) -> int:
        """Return the address of the vectors that the boot ROM starts; ChipStop where it starts none."""
        data = self.core.read_memory(_CCFG, 88)
        words = [int.from_bytes(data[4 * n : 4 * n + 4], "little") for n in range(_CCFG_WORDS)]
        if words[_IMAGE_VALID] != 0:
            raise ChipStop(
                f"the boot ROM starts no image: IMAGE_VALID_CONF of the configuration words (CCFG) is "
                f"{words[_IMAGE_VALID]:#010x}, but 0, the address of the vectors, is expected"
            )
        if words[_SIZE_FLAGS] >> 16 != 0x0058:
            raise ChipStop(
                f"the configuration words (CCFG) say that they are {words[_SIZE_FLAGS] >> 16} bytes, not 88"
            )
        return words[_IMAGE_VALID]

    @property
    def measured_millivolts(self) -> int:
        return (self.battery.volts_256() * 1000 + 128) >> 8

    def line_changed(self) -> None:
        self.uart.line_changed()

    def facts(self) -> dict[str, Any]:
        """Return what the chip's state says about the firmware, for reports."""
        return {"instruction_cache": self.vims.mode == 1, "dcdc": bool(self.sysctl.values["PWRCTL"] & 5 == 5)}
