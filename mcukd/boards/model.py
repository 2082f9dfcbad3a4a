"""Boards: what a microcontroller board is, read from a TOML file and checked before anything uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Optional

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from mcukd.boards.port import check_port, read_port
from mcukd.config_files import ConfigFileType, load_toml
from mcukd.errors import UserError
from mcukd.resources import resource_dir
from mcukd.text import listed

#: Instructions that `qemu-system-arm -icount shift=0` executes per second of its virtual time.
EMULATED_INSTRUCTIONS_PER_SECOND = 1_000_000_000
#: Sections in which a twin has to equal the board it stands for.
OPTIMIZE = ("speed", "size")
_SAME_AS_REAL = ("core", "clock_hz", "stack_bytes", "sensor")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Region(_Strict):
    """One memory: origin (address) and length in bytes.

    reserved: bytes at its end that no program may use (the CC2650's configuration words).
    """

    origin: int = Field(ge=0, lt=1 << 32)
    length: int = Field(gt=0, le=1 << 30)
    reserved: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> Region:
        for name in ("origin", "length", "reserved"):
            if getattr(self, name) % 4:
                raise ValueError(f"{name} is {getattr(self, name)}, but a multiple of 4 is expected")
        if self.reserved >= self.length:
            raise ValueError(f"reserved is {self.reserved}, but less than length {self.length} is expected")
        if self.end > 1 << 32:
            raise ValueError(
                f"origin and length end at {self.end:#x}, but at most {1 << 32:#x} is expected, "
                "the end of a 32-bit address space"
            )
        return self

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.origin + self.length

    @property
    def usable(self) -> int:
        """Bytes that a program may use."""
        return self.length - self.reserved


class Memory(_Strict):
    """Flash and RAM, which must not overlap."""

    flash: Region
    ram: Region

    @model_validator(mode="after")
    def _apart(self) -> Memory:
        if self.flash.origin < self.ram.end and self.ram.origin < self.flash.end:
            raise ValueError(
                f"flash ({self.flash.origin:#x} to {self.flash.end:#x}) and ram ({self.ram.origin:#x} to "
                f"{self.ram.end:#x}) overlap, but separate memories are expected"
            )
        return self


class Console(_Strict):
    """The serial line to the host: 8 data bits, no parity, 1 stop bit.

    tx_pin, rx_pin: number of the pin (DIO on the CC2650; 32 × port + pin on the nRF52840).
    """

    uart: str = Field(min_length=1)
    baud: int = Field(ge=1200, le=1_000_000)
    tx_pin: Optional[int] = Field(default=None, ge=0, le=47)
    rx_pin: Optional[int] = Field(default=None, ge=0, le=47)

    @model_validator(mode="after")
    def _pins_come_in_pairs(self) -> Console:
        if (self.tx_pin is None) != (self.rx_pin is None):
            raise ValueError("only one of tx_pin and rx_pin is there, but both or neither are expected")
        if self.tx_pin is not None and self.tx_pin == self.rx_pin:
            raise ValueError(f"tx_pin and rx_pin are both {self.tx_pin}, but two pins are expected")
        return self


class Sensor(_Strict):
    """The accelerometer as it is set up: range in g, its own sampling rates, scale and axes.

    The firmware of this version reads no sensor; samples come over the serial line.
    """

    part: str = Field(min_length=1)
    range_g: float = Field(gt=0, le=400)
    counts_per_g: float = Field(gt=0)
    rates_hz: tuple[float, ...] = Field(min_length=1, strict=False)
    axes: tuple[str, ...] = Field(min_length=3, max_length=3, strict=False)

    @model_validator(mode="after")
    def _makes_sense(self) -> Sensor:
        if self.range_g * self.counts_per_g > 32768:
            raise ValueError(
                f"range_g × counts_per_g is {self.range_g * self.counts_per_g:g}, "
                "but at most 32768 is expected, so that every count fits 16 bits"
            )
        if min(self.rates_hz) <= 0:
            raise ValueError(f"rates_hz holds {min(self.rates_hz):g}, but rates above 0 are expected")
        if len(set(self.axes)) != len(self.axes):
            raise ValueError(f"axes are {listed(self.axes)}, but three different names are expected")
        return self


class OpenOcd(_Strict):
    """How OpenOCD reaches the chip: its interface and target scripts, and the transport between.

    adapter_khz: clock of the debug port in kHz; None leaves it to the target's script.
    unlock: OpenOCD command that erases and unlocks a protected chip, where the target script has one.
    after_unlock: commands that keep the chip open afterwards, run while the core is halted.
    """

    interface: str = Field(min_length=1)
    transport: Literal["jtag", "swd"]
    target: str = Field(min_length=1)
    adapter_khz: Optional[int] = Field(default=None, gt=0, le=50_000)
    unlock: Optional[str] = None
    after_unlock: tuple[str, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _unlocks_first(self) -> OpenOcd:
        if self.after_unlock and not self.unlock:
            raise ValueError("after_unlock is there, but unlock, after which it is run, is missing")
        return self


class PyOcd(_Strict):
    """How pyOCD names the chip. chip_erase_loses: what its chip erase destroys beyond the flash."""

    target: str = Field(min_length=1)
    chip_erase_loses: Optional[str] = None


class Flash(_Strict):
    """How the board is flashed: the runner taken by default and the facts each runner needs."""

    runner: Literal["openocd", "pyocd"]
    openocd: Optional[OpenOcd] = None
    pyocd: Optional[PyOcd] = None

    @model_validator(mode="after")
    def _has_facts(self) -> Flash:
        if getattr(self, self.runner) is None:
            raise ValueError(f'runner is "{self.runner}", but its section [flash.{self.runner}] is missing')
        return self


class Emulator(_Strict):
    """The QEMU machine, and the timer its firmware counts instructions with.

    timer_hz: rate of the timer in virtual time, in which `-icount shift=0` runs 10⁹ instructions per second.
    """

    machine: str = Field(pattern=r"^[a-z0-9-]+$")
    timer_hz: int = Field(gt=0, le=EMULATED_INSTRUCTIONS_PER_SECOND)

    @model_validator(mode="after")
    def _counts_whole_instructions(self) -> Emulator:
        if EMULATED_INSTRUCTIONS_PER_SECOND % self.timer_hz:
            raise ValueError(
                f"timer_hz is {self.timer_hz}, but a divisor of {EMULATED_INSTRUCTIONS_PER_SECOND} "
                "is expected, so that a tick is a whole number of instructions"
            )
        return self

    @property
    def instructions_per_tick(self) -> int:
        """Instructions executed per tick of the timer."""
        return EMULATED_INSTRUCTIONS_PER_SECOND // self.timer_hz


class Board(_Strict):
    """A board as its TOML file describes it; docs/reference/boards.md shows a whole file.

    Templates see it as `board`. emulates: name of the real board an emulated twin stands for.
    port: folder under firmware_templates/port. stack_bytes: RAM kept for the stack at link time.
    optimize: what model and compiler are asked for; `with_optimize` changes it for one build.
    unverified: what was never run on the real hardware, shown wherever the board is.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str = Field(min_length=1)
    mcu: str = Field(min_length=1)
    core: Literal["cortex-m3", "cortex-m4f", "host"]
    port: str = Field(pattern=r"^[a-z0-9_]+$")
    clock_hz: Optional[int] = Field(default=None, gt=0, le=1_000_000_000)
    stack_bytes: Optional[int] = Field(default=None, ge=256)
    optimize: Literal["speed", "size"] = "speed"
    emulates: Optional[str] = None
    memory: Optional[Memory] = None
    console: Console
    sensor: Optional[Sensor] = None
    flash: Optional[Flash] = None
    emulator: Optional[Emulator] = None
    unverified: tuple[str, ...] = Field(default=(), strict=False)
    _path: Optional[Path] = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _sections_agree(self) -> Board:
        if self.core == "host":
            for name in ("clock_hz", "stack_bytes", "memory", "emulates", "flash", "emulator"):
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
        return self

    @property
    def path(self) -> Optional[Path]:
        """The TOML file this board was read from."""
        return self._path

    @property
    def host(self) -> bool:
        """Whether it is a program on this computer."""
        return self.core == "host"

    @property
    def emulated(self) -> bool:
        """Whether it is no hardware: a twin in QEMU, or a program on this computer."""
        return self.emulator is not None or self.host

    @property
    def configuration_words(self) -> bool:
        """Whether the reserved end of its flash holds configuration words that the image has to bring."""
        return read_port(self.port).configuration

    @property
    def counter_kind(self) -> int:
        """What `port_counter` counts: 0 nothing, 1 instructions (emulated), 2 cycles of the core."""
        return 0 if self.host else 1 if self.emulator else 2

    @property
    def counter_scale(self) -> int:
        """Instructions or cycles per tick of `port_counter`."""
        return self.emulator.instructions_per_tick if self.emulator else 1

    def with_optimize(self, optimize: Optional[str]) -> Board:
        """Return this board built for `speed` or `size`; as its file says for None.

        Raises UserError for anything else.
        """
        if optimize is None:
            return self
        if optimize not in OPTIMIZE:
            raise UserError(f"--optimize {optimize}: choose one of {listed(OPTIMIZE)}.")
        return self.model_copy(update={"optimize": optimize})

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
    check_port(path, board)
    if board.emulates is not None:
        _check_twin(path, board, _real_board(path, board.emulates))
    return board


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
        ("sensor",): Sensor,
        ("flash",): Flash,
        ("flash", "openocd"): OpenOcd,
        ("flash", "pyocd"): PyOcd,
        ("emulator",): Emulator,
    },
)
