"""Process that runs a firmware image on a modelled chip, its console on a socket that listens already.

`python -m mcukd.chips.serve --chip cc2650 --image firmware.elf --baud 115200 --tx 3 --rx 2 --fd 7`. While the
core sleeps and the host says nothing, virtual time follows the clock on the wall; while it works, it runs as
fast as it can. Bytes of the host are there as soon as the chip has taken those before, unless --paced. What
the chip does not allow ends the process with one sentence on standard error. --sensor solders a modelled
accelerometer, at rest, to the board's pins, --radio a modelled SX1272. --flash names a file that keeps the
flash from run to run, as a board does that is flashed again: what no image has bytes in stays.

With --animal the sensor is worn by a simulated animal from power-up on (`mcukd.data.simulation.animal`), in
counts with --widen bits below those of its card. With it, or with --speed, virtual time follows the clock on
the wall all the time, so many times as fast, whether a host is connected or not.
"""

from __future__ import annotations

import argparse
import functools
import json
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from mcukd.chips.chip import Chip
from mcukd.chips.console import Console
from mcukd.chips.events import NEVER
from mcukd.chips.image import read_image
from mcukd.chips.living import live
from mcukd.chips.stop import ChipStop
from mcukd.errors import UserError
from mcukd.files import write_bytes

CHIPS = ("nrf52840", "cc2650")
#: Seconds of virtual time between two looks at the socket, and the longest wait for it.
_SLICE_S, _LONGEST_WAIT_S = 0.05, 1.0


def make_chip(name: str, console: Console | None, seed: int = 0) -> Chip:
    """Return the modelled chip `name`, one of `CHIPS`, without power."""
    if name == "nrf52840":
        from mcukd.chips.nordic.chip import NRF52840

        return NRF52840(console, seed)
    if name == "cc2650":
        from mcukd.chips.ti.chip import CC2650

        return CC2650(console, seed)
    raise UserError(f"chip {name!r} is not modelled, but one of {', '.join(CHIPS)} is expected.")


def serve(chip: Chip, listener: socket.socket) -> None:
    """Run a chip that has power; hosts come and go, one at a time. Returns when the listener is closed."""
    while True:
        try:
            host, _ = listener.accept()
        except OSError:
            return
        with host:
            host.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                _talk(chip, host)
            except (ConnectionError, BrokenPipeError):
                continue


def _talk(chip: Chip, host: socket.socket) -> None:
    core = chip.core
    part = int(_SLICE_S * core.clock_hz)
    assert chip.console is not None
    while True:
        chip.run(core.cycles + part, stop_asleep=not chip.console.to_chip)
        data = chip.console.take()
        if data:
            host.sendall(data)
        wait = 0.0
        if core.asleep and not chip.console.to_chip:
            left = core.events.next_at() - core.cycles
            wait = _LONGEST_WAIT_S if left >= NEVER // 2 else min(_LONGEST_WAIT_S, left / core.clock_hz)
        began = time.monotonic()
        readable, _, _ = select.select([host], [], [], max(0.0, wait))
        if core.asleep and wait:
            core.jump(core.cycles + int((time.monotonic() - began) * core.clock_hz) + 1)
        if readable:
            received = host.recv(1 << 16)
            if not received:
                return
            chip.send(received)


def _load_flash(chip: Chip, path: Path) -> None:
    """Put what an earlier run left into a chip's flash."""
    content = path.read_bytes()
    if len(content) != chip.flash.size:
        raise UserError(
            f"{path}: holds {len(content):,} bytes, but the flash of the {chip.name} has "
            f"{chip.flash.size:,}; remove the file."
        )
    chip.core.write_memory(chip.flash.origin, content)


def _save_flash(chip: Chip, path: Path) -> None:
    """Keep a chip's flash for the next run."""
    write_bytes(path, bytes(chip.core.read_memory(chip.flash.origin, chip.flash.size)))


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _wire(chip: Chip, option: str, animal: str | None, widen: int) -> None:
    """Solder a sensor to a chip, as --sensor says, at rest or worn by the animal that --animal names."""
    from mcukd.chips.sensors.sources import Source, at_rest, worn_by
    from mcukd.chips.sensors.wiring import Wires, make_sensor, wire_sensor
    from mcukd.data.simulation.animal import AnimalName, simulated_animal

    try:
        wires = Wires.parse(option)
    except ValueError:
        raise UserError(f"--sensor is {option!r}, but a text as bma400,20,27,26,35 is expected.") from None
    source: Source = at_rest()
    if animal is not None:
        source = worn_by(simulated_animal(AnimalName.parse(animal)), widen)
    wire_sensor(chip, wires, make_sensor(wires, source))


def _wire_radio(chip: Chip, option: str) -> None:
    """Solder an SX1272 to a chip, as --radio says."""
    from mcukd.chips.radios.sx1272 import Sx1272

    pins = option.split(",")
    if len(pins) != 4 or not all(pin.isdecimal() for pin in pins):
        raise UserError(f"--radio is {option!r}, but four pins as 10,9,8,11 are expected.")
    sck, mosi, miso, select = map(int, pins)
    chip.wire_spi(sck, mosi, miso, select, Sx1272())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the process; return its exit status."""
    parser = argparse.ArgumentParser(prog="mcukd.chips.serve", description=__doc__)
    parser.add_argument("--chip", choices=CHIPS, required=True)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--baud", type=int, required=True)
    parser.add_argument("--tx", type=int, required=True)
    parser.add_argument("--rx", type=int, required=True)
    parser.add_argument("--fd", type=int, required=True, help="socket that listens already")
    parser.add_argument(
        "--paced", action="store_true", help="let bytes of the host take their time on the line"
    )
    parser.add_argument("--sensor", help="MODEL,ADDRESS,SCL,SDA[,INTERRUPT]: a modelled sensor at these pins")
    parser.add_argument("--animal", help="CARD/SEED/SECONDS: the simulated animal that wears the sensor")
    parser.add_argument("--widen", type=int, default=0, help="bits below those of the animal's counts")
    parser.add_argument("--speed", type=float, help="virtual seconds in one of the clock on the wall")
    parser.add_argument("--radio", help="SCK,MOSI,MISO,SELECT: a modelled SX1272 at these pins")
    parser.add_argument("--flash", type=Path, help="file that keeps the flash from run to run")
    parser.add_argument("--state", type=Path, help="file for the chip's facts, as JSON, once it first sleeps")
    options = parser.parse_args(arguments)
    try:
        if options.speed is not None and not 0 < options.speed < float("inf"):
            raise UserError(f"--speed is {options.speed:g}, but a number above 0 is expected.")
        chip = make_chip(options.chip, Console(options.baud, options.tx, options.rx, options.paced))
        if options.sensor is not None:
            _wire(chip, options.sensor, options.animal, options.widen)
        if options.radio is not None:
            _wire_radio(chip, options.radio)
        if options.flash is not None and options.flash.exists():
            _load_flash(chip, options.flash)
        chip.load(read_image(options.image))
        with socket.socket(fileno=options.fd) as listener:
            chip.power_on()
            if options.state is not None:
                chip.run(chip.core.clock_hz, stop_asleep=True)
                options.state.write_text(json.dumps(chip.facts()), encoding="utf-8")
            lives = options.animal is not None or options.speed is not None
            run = functools.partial(live, speed=options.speed or 1.0) if lives else serve
            if options.flash is None:
                run(chip, listener)
                return 0
            signal.signal(signal.SIGTERM, _leave)
            try:
                run(chip, listener)
            finally:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                _save_flash(chip, options.flash)
    except (ChipStop, UserError) as stop:
        print(f"{stop}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
