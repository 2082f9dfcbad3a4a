"""Board files: a TOML file per microcontroller board, checked when it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    Field,
    PrivateAttr,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from mcukd.boards.cores import CORES, HOST, Core, check_optimize
from mcukd.boards.currents import Figure
from mcukd.boards.energy_section import RADIO_KEYS, EnergySection, PowerLever
from mcukd.boards.port import OPTIONAL_PARTS, check_port, read_port
from mcukd.boards.radio_section import RADIOS, RadioField
from mcukd.boards.runners.registry import BUNDLED, RUNNERS
from mcukd.boards.section import Section
from mcukd.boards.sections import Accelerometer, Console, Emulator, Flash, Memory, Region, flash_section
from mcukd.boards.sensor_driver import SensorDriver, SensorSetup
from mcukd.boards.tag_section import TagSection
from mcukd.config_files import ConfigFileType, load_toml
from mcukd.errors import UserError
from mcukd.resources import resource_dir
from mcukd.tag.provision import PAGES as PROVISION_PAGES
from mcukd.text import listed

#: Sections in which a twin has to equal the board it stands for.
_SAME_AS_REAL = ("core", "clock_hz", "stack_bytes", "sensor")
#: Sections that boards had no key for once.
_LATER = ("radio", "energy")


class Board(Section):
    """A board as its TOML file describes it; docs/reference/boards.md shows a whole file.

    Templates see it as `board`. emulates: name of the real board an emulated twin stands for.
    port: folder under firmware_templates/port. stack_bytes: RAM kept for the stack at link time.
    dcdc: whether the inductor of the chip's DC/DC converter is fitted, so that it may be switched on.
    low_frequency_crystal: whether a crystal of 32.768 kHz is fitted, which the clock then runs from.
    optimize: what model and compiler are asked for; `with_optimize` changes it for one build.
    unverified: what was never run on the real hardware, shown wherever the board is.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str = Field(min_length=1)
    mcu: str = Field(min_length=1)
    core: str
    port: str = Field(pattern=r"^[a-z0-9_]+$")
    clock_hz: int | None = Field(default=None, gt=0, le=1_000_000_000)
    stack_bytes: int | None = Field(default=None, ge=256)
    dcdc: bool = False
    low_frequency_crystal: bool = False
    optimize: Literal["speed", "size"] = "speed"
    emulates: str | None = None
    memory: Memory | None = None
    console: Console
    sensor: Accelerometer | None = None
    flash: SerializeAsAny[Flash] | None = None
    emulator: Emulator | None = None
    tag: TagSection | None = None
    radio: RadioField | None = None
    energy: EnergySection | None = None
    unverified: tuple[str, ...] = Field(default=(), strict=False)
    _path: Path | None = PrivateAttr(default=None)

    @field_validator("core")
    @classmethod
    def _is_known(cls, core: str) -> str:
        if core not in CORES:
            raise ValueError(f"one of {listed(CORES)} is expected")
        return core

    @field_validator("flash", mode="before")
    @classmethod
    def _has_runners(cls, flash: Any) -> Any:
        return None if flash is None else flash_section(RUNNERS.values()).model_validate(flash)

    @model_validator(mode="after")
    def _sections_agree(self) -> Board:
        if self.host:
            for name in ("clock_hz", "stack_bytes", "memory", "emulates", "flash", "emulator", "energy"):
                if getattr(self, name) is not None:
                    raise ValueError(f'{name} is there, but core "host" has none')
            return self
        for name in ("clock_hz", "stack_bytes", "memory", "sensor"):
            if getattr(self, name) is None:
                raise ValueError(f'the key {name} is missing, but core "{self.core}" needs it')
        assert self.stack_bytes is not None and self.memory is not None
        if self.stack_bytes % 8:
            raise ValueError(f"stack_bytes is {self.stack_bytes}, but a multiple of 8 is expected (AAPCS)")
        if self.stack_bytes >= self.memory.ram.usable:
            raise ValueError(
                f"stack_bytes is {self.stack_bytes}, "
                f"but less than the RAM of {self.memory.ram.usable} bytes is expected"
            )
        if (self.emulates is None) != (self.emulator is None):
            raise ValueError("only one of emulates and [emulator] is there, but both or neither are expected")
        if self.emulates is not None and self.flash is not None:
            raise ValueError("[flash] is there, but an emulated board cannot be flashed")
        if self.emulates is None and self.console.tx_pin is None:
            raise ValueError("console.tx_pin and console.rx_pin are missing, but a real board needs them")
        self._check_pins()
        if self.radio is not None:
            for there, name, why in (
                (self.tag is not None and self.tag.payload is not None, "tag.payload", "says what is sent"),
                (self.sensor is not None and self.sensor.driver is not None, "sensor.driver", "samples"),
            ):
                if not there:
                    raise ValueError(f"[radio] is there, but {name}, which {why}, is missing; add it")
        self._check_energy()
        return self

    def _check_energy(self) -> None:
        """Raise ValueError for currents of what is no hardware, and for a radio without its own."""
        if self.energy is None:
            return
        if self.emulates is not None:
            raise ValueError("[energy] is there, but an emulated board takes no current")
        missing = [key for key in RADIO_KEYS if getattr(self.energy, key) is None]
        if self.radio is not None and missing:
            raise ValueError(f"[energy] and [radio] are there, but energy.{missing[0]} is missing; add it")

    def named_pins(self) -> list[tuple[str, int]]:
        """Return the pins that the board file names, by section and key."""
        driver = self.sensor.driver if self.sensor is not None else None
        named = []
        for section, part, keys in (
            ("console", self.console, ("tx_pin", "rx_pin")),
            ("sensor.driver", driver, ("sda_pin", "scl_pin", "interrupt_pin")),
            ("radio", self.radio, self.radio.pin_keys if self.radio is not None else ()),
        ):
            for key in keys if part is not None else ():
                pin = getattr(part, key)
                if pin is not None:
                    named.append((f"{section}.{key}", pin))
        return named

    def _check_pins(self) -> None:
        """Raise ValueError for a pin that is named twice."""
        taken: dict[int, str] = {}
        for key, pin in self.named_pins():
            whose = key.partition(".")[0]
            # Two pins of a console or a sensor are compared in their own sections.
            if pin in taken and (taken[pin] != whose or whose == "radio"):
                raise ValueError(f"{key} is {pin}, but that is a pin of the {taken[pin]}")
            taken[pin] = whose

    @model_serializer(mode="wrap")
    def _without_absent_sections(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out later sections that are not there, so that boards without them keep their hash."""
        data: dict[str, Any] = handler(self)
        return {key: value for key, value in data.items() if value is not None or key not in _LATER}

    @property
    def path(self) -> Path | None:
        """The TOML file this board was read from."""
        return self._path

    @property
    def host(self) -> bool:
        """Whether it is a program on this computer."""
        return self.core == HOST.name

    @property
    def processor(self) -> Core:
        """What the table of cores says of its core."""
        return CORES[self.core]

    @property
    def emulated(self) -> bool:
        """Whether it is no hardware: a twin in QEMU, or a program on this computer."""
        return self.emulator is not None or self.host

    @property
    def configuration_words(self) -> bool:
        """Whether the reserved end of its flash holds configuration words that the image has to bring."""
        return read_port(self.port).configuration

    def sensor_for(self, rate_hz: float, channels: int) -> SensorSetup | None:
        """Return how the sensor is set up for a model of `rate_hz` and `channels`.

        None where the board has no driver, or the sensor is not set to give what the model takes.
        """
        setup = self.sensor.setup if self.sensor else None
        if setup is None or channels != 3 or setup.driver.rate_hz != rate_hz:
            return None
        return setup

    @property
    def modelled_chip(self) -> str | None:
        """The model of its chip, on which its real image runs without hardware; None where there is none."""
        return None if self.emulated else read_port(self.port).chip

    @property
    def provision_region(self) -> Region | None:
        """The last whole pages of its flash, which keep what a tag is told; None without [tag].

        They lie behind the log, so that a log of another length leaves them where they are.
        """
        page = read_port(self.port).log_page_bytes
        if self.tag is None or page is None:
            return None
        length = PROVISION_PAGES * page
        if self.memory is None:
            return Region(origin=self.tag.log_pages * page, length=length)
        flash = self.memory.flash
        end = flash.origin + flash.usable // page * page
        return Region(origin=end - length, length=length)

    @property
    def log_region(self) -> Region | None:
        """The pages of its flash before those, which keep the log; None without [tag]."""
        page, behind = read_port(self.port).log_page_bytes, self.provision_region
        if self.tag is None or page is None or behind is None:
            return None
        length = self.tag.log_pages * page
        return Region(origin=behind.origin - length, length=length)

    @property
    def program_bytes(self) -> int:
        """Bytes of flash for the program: what neither log, provisioning nor configuration words take."""
        assert self.memory is not None
        log = self.log_region
        return log.origin - self.memory.flash.origin if log else self.memory.flash.usable

    @property
    def counter_kind(self) -> int:
        """What `port_counter` counts: 0 nothing, 1 instructions (emulated), 2 cycles of the core."""
        return 0 if self.host else 1 if self.emulator else 2

    @property
    def counter_scale(self) -> int:
        """Instructions or cycles per tick of `port_counter`."""
        return self.emulator.instructions_per_tick if self.emulator else 1

    def with_optimize(self, optimize: str | None) -> Board:
        """Return this board built for `speed` or `size`; as its file says for None.

        Raises UserError for anything else.
        """
        if optimize is None:
            return self
        return self.model_copy(update={"optimize": check_optimize(optimize)})

    def twin(self) -> Board:
        """Return the board that stands for this one without hardware; itself where it is emulated already.

        Raises UserError where no board file emulates it.
        """
        if self.emulated:
            return self
        folders = {self._path.parent} if self._path else set()
        for file in sorted(file for folder in folders | {_folder()} for file in folder.glob("*.toml")):
            if load_toml(file).get("emulates") == self.name:
                return read_board(file).with_optimize(self.optimize)
        raise UserError(
            f"board {self.name!r} has no emulated twin; a file in {_folder().name}/ with "
            f'emulates = "{self.name}" would make one.'
        )


def load_board(name_or_path: str) -> Board:
    """Read a bundled board by its name, or any board by the path of its TOML file.

    Raises UserError, in one sentence, when there is no such board or its file is not as expected.
    """
    return read_board(BOARDS.find(name_or_path))


def list_boards() -> list[Board]:
    """Return the bundled boards in alphabetical order."""
    return [read_board(path) for path in BOARDS.bundled()]


def read_board(path: Path) -> Board:
    """Read and check one TOML file, and an emulated twin against the board it stands for."""
    board = BOARDS.check(path, Board)
    board._path = path.resolve()
    driver = board.sensor.driver if board.sensor else None
    check_port(
        path,
        board.port,
        board.core,
        board.clock_hz,
        board.memory.flash if board.memory else None,
        driver.bus if driver else None,
        [part for part in OPTIONAL_PARTS if getattr(board, part)],
        board.radio.driver if board.radio else None,
        board.named_pins(),
    )
    _check_log(path, board)
    if board.emulates is not None:
        _check_twin(path, board, _real_board(path, board.emulates))
    return board


def _check_log(path: Path, board: Board) -> None:
    """Refuse a log that the port cannot keep, or that leaves no room for a program."""
    if board.tag is None:
        return
    page = read_port(board.port).log_page_bytes
    if page is None:
        raise UserError(
            f"{path}: [tag] is there, but port {board.port!r} has no flash to keep a log in; remove [tag] or "
            "take another port."
        )
    most = board.memory.flash.usable // page - PROVISION_PAGES - 2 if board.memory else board.tag.log_pages
    if board.tag.log_pages > most:
        raise UserError(
            f"{path}: tag.log_pages is {board.tag.log_pages}, but at most {most} is expected: pages of "
            f"{page:,} bytes, {PROVISION_PAGES} of them for provisioning and at least 2 for the program."
        )


def _real_board(path: Path, name: str) -> Board:
    beside = path.parent / f"{name}.toml"
    real = read_board(beside) if beside.is_file() else load_board(name)
    if real.emulated:
        raise UserError(f"{path}: emulates is {name!r}, but that is no real board.")
    return real


def _check_twin(path: Path, twin: Board, real: Board) -> None:
    """Refuse a twin whose limits differ: what fits it has to fit the real board."""
    assert twin.memory is not None and real.memory is not None
    pairs: list[tuple[str, Any, Any]] = [
        (f"memory.{region}.{name}", getattr(ours, name), getattr(theirs, name))
        for region, ours, theirs in (
            ("flash", twin.memory.flash, real.memory.flash),
            ("ram", twin.memory.ram, real.memory.ram),
        )
        for name in ("length", "reserved")
    ]
    # What the emulated machine has no bus for is left out of the comparison.
    real = real.model_copy(update={"sensor": real.sensor and real.sensor.model_copy(update={"driver": None})})
    pairs += [(name, getattr(twin, name), getattr(real, name)) for name in _SAME_AS_REAL]
    for name, ours, theirs in pairs:
        if ours != theirs:
            found = "differs" if isinstance(ours, BaseModel) else f"is {ours}"
            expected = "the same" if isinstance(theirs, BaseModel) else f"{theirs}"
            raise UserError(
                f"{path}: {name} {found}, but {expected} is expected, as on the board it emulates "
                f"({real.name})."
            )


def _folder() -> Path:
    return resource_dir("boards")


BOARDS = ConfigFileType(
    name="board",
    folder="boards",
    document="docs/reference/boards.md",
    sections={
        (): Board,
        ("memory",): Memory,
        ("memory", "flash"): Region,
        ("memory", "ram"): Region,
        ("console",): Console,
        ("sensor",): Accelerometer,
        ("sensor", "driver"): SensorDriver,
        ("flash",): flash_section(BUNDLED),
        **{("flash", runner.name): runner.section for runner in BUNDLED},
        ("emulator",): Emulator,
        ("tag",): TagSection,
        ("energy",): EnergySection,
        ("energy", "levers"): PowerLever,
        **{
            (*place, key): Figure
            for place, section in ((("energy",), EnergySection), (("energy", "levers"), PowerLever))
            for key in section.model_fields
            if key not in ("levers", "remarks", "name", "what")
        },
    },
    tagged={"radio": lambda: RADIOS},
)
