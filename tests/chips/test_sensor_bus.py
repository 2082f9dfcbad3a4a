"""Drivers and buses of the ports on modelled chips: the samples that went into the sensor are those in the chip's RAM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders.chip_program import Accesses
from builders.sensors import GAPS, RESULTS, random_recording
from builders.tiny_firmware import write_sources

from mcukd.boards.model import Board, load_board
from mcukd.boards.sensor_driver import SensorSetup
from mcukd.boards.toolchain import build
from mcukd.chips.bus import I2CDevice
from mcukd.chips.chip import Chip
from mcukd.chips.image import read_image
from mcukd.chips.sensors.bma400 import BMA400
from mcukd.chips.sensors.faults import with_fault
from mcukd.chips.sensors.mpu9250 import MPU9250
from mcukd.chips.sensors.registers import RegisterSensor
from mcukd.chips.serve import make_chip

pytestmark = pytest.mark.emulator
SENSORS = {"collar": MPU9250, "eartag": BMA400}
SECOND = 1_000_000_000
SAMPLES, DRAINS = 900, 20

#: Drains at the interrupt or after 1.28 s, and keeps samples, gaps and results in RAM.
MAIN = """
#include "bus.h"
#include "mcukd_port.h"
#include "port_cortex_m.h"
#include "sensor_config.h"

#define SYST_CSR REGISTER(0xE000E010u)
#define SYST_RVR REGISTER(0xE000E014u)
#define SYST_CVR REGISTER(0xE000E018u)
#define SCB_ICSR REGISTER(0xE000ED04u)

int16_t kept[%(samples)d][3];
uint8_t kept_gaps[%(samples)d];
volatile uint32_t kept_count, drains;
volatile uint8_t results[3 + %(drains)d];
static sensor s;

static void take(void *context, const int16_t sample[3], uint32_t gap)
{
    (void)context;
    if (kept_count < %(samples)du) {
        for (uint32_t axis = 0; axis < 3; axis++) {
            kept[kept_count][axis] = sample[axis];
        }
        kept_gaps[kept_count] = (uint8_t)gap;
        kept_count++;
    }
}

/* Asleep until the sensor's pin rises, or where it has none for 1.28 s, by SysTick four times. */
static void wait(void)
{
    if (%(signal)d) {
        bus_signal_arm();
        while (!bus_signal()) {
            __asm volatile("wfi");
        }
        return;
    }
    SYST_RVR = 48000000u / 100u * 32u - 1u;
    SYST_CVR = 0;
    SYST_CSR = 7;
    for (uint32_t n = 0; n < 4; n++) {
        __asm volatile("wfi");
        SCB_ICSR = 1u << 25;
    }
    SYST_CSR = 0;
}

int main(void)
{
    port_init();
    results[0] = (uint8_t)sensor_init(&s, &SENSOR_CONFIG);
    results[1] = (uint8_t)sensor_self_test(&s);
    results[2] = (uint8_t)sensor_start(&s, 0);
    for (;;) {
        wait();
        const sensor_result result = sensor_drain(&s, drains * 41943u, take, 0);
        if (drains < %(drains)du) {
            results[3 + drains] = (uint8_t)result;
        }
        drains++;
    }
}
"""


def symbols(elf: Path) -> dict[str, int]:
    """Addresses of an image's symbols."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as file:
        return {
            each.name: each["st_value"]
            for each in ELFFile(file).get_section_by_name(".symtab").iter_symbols()
        }


def sensor_of(board: Board) -> SensorSetup:
    """What the board's sensor is set to for 50 Hz and three axes."""
    setup = board.sensor_for(50.0, 3)
    assert setup is not None
    return setup


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """MAIN compiled for each board."""
    made = {}
    for name in SENSORS:
        board, folder = load_board(name), tmp_path_factory.mktemp("drain") / name
        main = MAIN % {"samples": SAMPLES, "drains": DRAINS, "signal": name == "eartag"}
        made[name] = build(write_sources(board, folder, main, sensor_of(board)), board).elf
    return made


class Tag:
    """A board's image with MAIN on its modelled chip, with a sensor at the board file's pins."""

    def __init__(self, name: str, elf: Path, device: I2CDevice) -> None:
        board = load_board(name)
        driver = sensor_of(board).driver
        self.chip: Chip = make_chip(str(board.modelled_chip), None)
        self.chip.wire_i2c(driver.scl_pin, driver.sda_pin, device)
        if driver.interrupt_pin is not None:
            self.chip.pins.connect(device, "INT1", driver.interrupt_pin)
        self.chip.load(read_image(elf))
        self.chip.power_on()
        self.at = symbols(elf)

    def word(self, name: str) -> int:
        return int.from_bytes(self.chip.core.read_memory(self.at[name], 4), "little")

    def run(self, seconds: float) -> None:
        self.chip.run_ns(round(seconds * SECOND))

    def samples(self) -> np.ndarray:
        data = self.chip.core.read_memory(self.at["kept"], 6 * self.word("kept_count"))
        return np.frombuffer(bytes(data), "<i2").reshape(-1, 3)

    def gaps(self) -> list[int]:
        return list(self.chip.core.read_memory(self.at["kept_gaps"], self.word("kept_count")))

    def results(self) -> list[str]:
        data = self.chip.core.read_memory(self.at["results"], 3 + min(DRAINS, self.word("drains")))
        return [RESULTS[result] for result in data]


@pytest.mark.parametrize("name", SENSORS)
def test_every_count_reaches_the_ram_of_the_real_boards_image(images: dict[str, Path], name: str) -> None:
    sensor: RegisterSensor = SENSORS[name](source := random_recording(2000, 12))
    tag = Tag(name, images[name], sensor)
    tag.run(9)
    shift = 4 if name == "collar" else 0
    found = tag.samples()
    assert set(tag.results()) == {"ok"} and len(found) > 300
    assert np.array_equal(found, source.expected(len(found)) >> shift)
    assert tag.gaps() == [1] + [0] * (len(found) - 1)
    core = tag.chip.core
    slept, cycles, drains = core.slept, core.cycles, tag.word("drains")
    tag.run(16)
    assert tag.word("drains") - drains in (5, 6)
    # A transfer of the ear tag goes by DMA while the core sleeps; the collar's core waits for each byte.
    awake = 1 - (core.slept - slept) / (core.cycles - cycles)
    assert awake < {"eartag": 0.001, "collar": 0.009}[name]


@pytest.mark.parametrize("drains_late", [False, True])
def test_bytes_that_are_foreseen_change_nothing(images: dict[str, Path], drains_late: bool) -> None:
    """A FIFO that overruns changes while it is read."""
    states, counts = [], []
    for foreseeing in (True, False):
        sensor = MPU9250(random_recording(2000, 12), rate_error=1.2 if drains_late else 0.0)
        tag = Tag("collar", images["collar"], sensor)
        accesses = Accesses(tag.chip, foreseeing)
        tag.run(9)
        core = tag.chip.core
        states.append((core.cycles, core.waited, core.slept, tag.chip.core.read_memory(*tag.chip.ram)))
        counts.append(accesses.reads)
        assert sensor.dropped > 0 if drains_late else sensor.dropped == 0
    assert states[0] == states[1]
    assert counts[0] < 0.7 * counts[1]


@pytest.mark.parametrize(
    ("name", "fault", "gap", "result"),
    [
        # The ear tag's program waits for the interrupt alone, which a sensor that was reset never raises.
        ("eartag", "holds-bus", None, None),
        ("collar", "holds-bus", None, None),
        ("collar", "holds-bus-for-good", "overrun", "bus-stuck"),
        ("collar", "absent", "overrun", "absent"),
        ("collar", "refuses-data", "overrun", "refused"),
        ("collar", "reset", "reset", "restarted"),
        ("collar", "short-reads", "unreadable", "unreadable"),
    ],
)
def test_a_fault_on_the_chips_bus_is_told_and_the_tag_goes_on(
    images: dict[str, Path], name: str, fault: str, gap: str | None, result: str | None
) -> None:
    sensor: RegisterSensor = SENSORS[name](source := random_recording(2000, 12, seed=3))
    tag = Tag(name, images[name], with_fault(sensor, fault, 3 * SECOND, 8 * SECOND))
    tag.run(15)
    causes = {cause for bit, cause in GAPS.items() for value in tag.gaps()[1:] if value & bit}
    assert causes == ({gap} if gap else set())
    assert set(tag.results()) - {"ok"} == ({result, gap} & set(RESULTS) if result else set())
    assert tag.results()[-3:] == ["ok"] * 3
    assert (
        tag.samples().tolist()[-1]
        in (source.expected(source.taken) >> (4 if name == "collar" else 0)).tolist()
    )
