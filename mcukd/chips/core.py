"""Processor core of a modelled chip: Unicorn executes, this module adds time, exceptions and sleep.

Time is counted in cycles of the core's clock: one for each instruction executed, all those slept through, and
those spent waiting in a loop for a byte to leave, which are added at once (`wait_until`). It is no pipeline
model: a real instruction takes one cycle or more. Instructions are counted exactly, block by block
(`hooks.py`); where a register asks for the time (`exactly_here`), the core goes back to the access and counts
up to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcukd.chips.blocks import WFE, Block, inspect
from mcukd.chips.events import NEVER, Event, Events
from mcukd.chips.exceptions import ExceptionUnit, SystemState
from mcukd.chips.hooks import Engine, Foreseen
from mcukd.chips.nvic import BUS_FAULT, FIRST_INTERRUPT, SVCALL, USAGE_FAULT, Nvic
from mcukd.chips.space import AddressSpace
from mcukd.chips.stop import ChipStop
from mcukd.extras import load

#: What `run` returns: time is up, the core sleeps, or a reset was asked for.
TIME, ASLEEP, RESET = "time", "asleep", "reset"

_END = 0xFFFFFFF0
#: No block is longer than such a page.
_PAGE_BITS = 12
#: QEMU's numbers of exceptions that reach the hook.
_SUPERVISOR_CALL, _BREAKPOINT, _EXCEPTION_RETURN = 2, 7, 8
_USAGE_BITS = {1: 1 << 16, 17: 1 << 19, 18: 1 << 17, 22: 1 << 24, 23: 1 << 25}


def unicorn_modules() -> tuple[Any, Any]:
    """Return the modules `unicorn` and `unicorn.arm_const`; UserError where they are not installed."""
    what, otherwise = "a modelled chip", "or prove on the emulated twin, for example --board collar-emulated"
    return load("unicorn", what, otherwise), load("unicorn.arm_const", what, otherwise)


class Core(ExceptionUnit):
    """A Cortex-M3 or M4F with its memories, peripherals and clock.

    cycles: time since power-up. slept: cycles of it asleep. stood: cycles of it in which the core stood still
    while its flash changed, which are waited for as well. clock_hz: cycles per second. space: the chip's
    registers. vectors: called for the address of the vector table at reset.
    """

    def __init__(
        self, model: str, clock_hz: int, nvic: Nvic, space: AddressSpace, code_bytes: int = 1 << 20
    ) -> None:
        self.unicorn, self.arm = unicorn_modules()
        uc = self.unicorn
        self.uc = uc.Uc(uc.UC_ARCH_ARM, uc.UC_MODE_THUMB | uc.UC_MODE_MCLASS)
        names = {"cortex-m3": self.arm.UC_CPU_ARM_CORTEX_M3, "cortex-m4f": self.arm.UC_CPU_ARM_CORTEX_M4}
        self.uc.ctl_set_cpu_model(names[model])
        self.has_fpu = model == "cortex-m4f"
        self.clock_hz = clock_hz
        self.nvic = nvic
        self.space = space
        self.events = Events()
        self.slept = self.stood = 0
        self.vector_table = 0
        self.system = SystemState()
        self.asleep = False
        self.reset_asked: str | None = None
        self.rom_calls: dict[int, Callable[[], None]] = {}
        self.where: Callable[[int], str] = lambda address: f"{address:#010x}"
        self._regions: list[tuple[int, int, bool]] = []
        self._blocks: dict[int, Block] = {}
        self._pages_run: set[int] = set()
        self._here = False
        self._back = False
        self._event_register = False
        self._happened: tuple[str, int] | None = None
        self._error: BaseException | None = None
        self.pc = self._until = 0
        self._engine = Engine(uc, self.uc, code_bytes, self._attend, self._read, self._write)
        self._hooks = self._engine.hooks
        arm = self.arm
        self.masks = self._engine.reader(
            arm.UC_ARM_REG_PRIMASK, arm.UC_ARM_REG_FAULTMASK, arm.UC_ARM_REG_BASEPRI
        )
        self._hook()

    # Memory

    def add_memory(self, address: int, size: int, changing_code: bool) -> None:
        """Map memory, filled with zeros. changing_code: whether the program may write code there."""
        self.uc.mem_map(address, (size + 0xFFF) & ~0xFFF)
        self._regions.append((address, address + size, changing_code))

    def add_registers(self, address: int, size: int) -> None:
        """Let accesses to a stretch of addresses go to the chip's registers."""
        self._engine.map_registers(address, size)

    def read_memory(self, address: int, size: int) -> bytes:
        """Return the content of memory (not of registers)."""
        return bytes(self.uc.mem_read(address, size))

    def write_memory(self, address: int, data: bytes) -> None:
        """Change memory from outside the program: DMA, flash controller, a debugger."""
        self.uc.mem_write(address, data)

    def is_memory(self, address: int, size: int) -> bool:
        """Return whether a stretch lies in one mapped memory."""
        return any(first <= address and address + size <= end for first, end, _ in self._regions)

    def switch_memory(self, address: int, size: int, on: bool) -> None:
        """Let a stretch of memory be reached by the program, or stop the model where it is."""
        uc = self.unicorn
        self.uc.mem_protect(address, size, uc.UC_PROT_ALL if on else uc.UC_PROT_NONE)

    def refuse_switched_off(self, address: int, size: int, what: str) -> None:
        """Stop the model where the program reaches memory that `switch_memory` switched off."""
        uc = self.unicorn

        def on_access(_: Any, access: int, at: int, count: int, value: int, __: Any) -> bool:
            self._fail(ChipStop(f"the access to {what} at {at:#010x}, which is switched off"))
            return False

        kinds = uc.UC_HOOK_MEM_READ_PROT | uc.UC_HOOK_MEM_WRITE_PROT | uc.UC_HOOK_MEM_FETCH_PROT
        self.uc.hook_add(kinds, on_access, None, address, address + size - 1)

    def forget_code(self, address: int, size: int) -> None:
        """Translate code of these addresses anew, after it was changed from outside the program."""
        self.uc.ctl_remove_cache(address, address + size)
        self._engine.forget()
        self._blocks.clear()
        self._pages_run.clear()

    # Time

    @property
    def cycles(self) -> int:
        """The time since power-up in cycles of the core's clock."""
        return self._hooks.cycles

    @cycles.setter
    def cycles(self, value: int) -> None:
        self._hooks.cycles = value

    @property
    def waited(self) -> int:
        """Cycles spent in waits that were added at once."""
        return self._hooks.waited

    @property
    def instructions(self) -> int:
        """Instructions executed since power-up."""
        return self.cycles - self.slept - self.waited

    def nanoseconds(self, cycle: int | None = None) -> int:
        """Return the time of a cycle, or the present, since power-up in ns."""
        return (self.cycles if cycle is None else cycle) * 1_000_000_000 // self.clock_hz

    def cycle_at(self, time_ns: int) -> int:
        """Return the first cycle that is not before a time in ns."""
        return -(-time_ns * self.clock_hz // 1_000_000_000)

    def schedule(self, at: int, action: Callable[[], None]) -> Event:
        """Let `action` happen at a cycle."""
        event = self.events.schedule(at, action)
        self._hooks.limit = min(self._hooks.limit, at)
        return event

    def look(self) -> None:
        """Look for pending exceptions before the next block; peripherals call it when a line changes."""
        self._hooks.limit = 0

    def ask_reset(self, reason: str) -> None:
        """Let the chip be reset before the next block."""
        self.reset_asked = reason
        self._hooks.limit = 0

    def wait_until(self, cycle: int) -> None:
        """Let time pass to a cycle, or to the next event if that is sooner, as in a loop that polls."""
        target = min(cycle, self.events.next_at())
        if target > self.cycles:
            self._hooks.waited += target - self.cycles
            self.cycles = target
        if self._hooks.limit:  # nobody has asked to look
            self._hooks.limit = self._until
        self._happen()
        self._hooks.limit = min(self._hooks.limit, self.events.next_at())

    def exactly_here(self) -> bool:
        """Return whether `cycles` counts up to this very access; where not, the access is made again.

        A register's method that needs the exact time returns anything when this is False.
        """
        if self._here:
            return True
        self._back = True
        self.uc.emu_stop()
        return False

    def foresee(self, foreseen: Foreseen) -> None:
        """Let accesses that a peripheral foresees be answered without asking it (`hooks.py`)."""
        self._engine.foresee(foreseen)

    def cycles_here(self) -> int:
        """Return the cycle of the access for which `exactly_here` was true."""
        address, size = self._hooks.address, self._hooks.size
        return self.cycles - self._inspected(address, size).instructions

    # Running

    def reset(self) -> None:
        """Start as after a reset: stack pointer and address from the vector table, masks open."""
        self.system = SystemState()
        self.asleep = self._event_register = False
        self.reset_asked = None
        self.reset_registers()

    def run(self, until: int, stop_asleep: bool = False) -> str:
        """Run to a cycle; return TIME, RESET, or ASLEEP where it sleeps and nothing will ever wake it.

        stop_asleep: return ASLEEP whenever it would jump over sleep. Raises ChipStop.
        """
        self._engine.drop()
        self._until = until
        while True:
            self._happen()
            if self.reset_asked:
                return RESET
            if self.cycles >= until:
                return TIME
            if self.asleep and not self._woken():
                target = min(self.events.next_at(), until)
                if stop_asleep or target == NEVER:
                    return ASLEEP
                self.slept += target - self.cycles
                self.cycles = target
                continue
            self.asleep = False
            if self.nvic.pending & self.nvic.enabled:
                taken = self.nvic.to_take(*self.masks())
                if taken is not None:
                    self.enter_exception(taken)
            self._hooks.limit = min(self.events.next_at(), until)
            self._execute()

    def jump(self, cycle: int) -> None:
        """Let the sleeping core sleep on to a cycle, at most to the next event."""
        target = min(cycle, self.events.next_at())
        if self.asleep and target > self.cycles:
            self.slept += target - self.cycles
            self.cycles = target

    def _woken(self) -> bool:
        """Return whether a sleeping core wakes: WFI ignores PRIMASK (B1.5.19)."""
        if self._event_register:
            self._event_register = False
            return True
        _, faultmask, basepri = self.masks()
        return self.nvic.to_take(0, faultmask, basepri) is not None

    def _happen(self) -> None:
        event = self.events.pop_due(self.cycles)
        while event is not None:
            if event.action is not None:
                self._engine.drop()
                event.action()
            event = self.events.pop_due(self.cycles)

    def _execute(self) -> None:
        """Execute until a block's end at which there is something to do."""
        self._happened = None
        self._hooks.stopped = 0
        self._here = self._back
        self._back = False
        try:
            self.uc.emu_start(self.pc | 1, _END)
        except self.unicorn.UcError as error:
            if self._happened is None and self._error is None:
                self._happened = ("error", error.errno)
        self.pc = self.uc.reg_read(self.arm.UC_ARM_REG_PC)
        self._engine.settle()
        if self._error is not None:
            failure, self._error = self._error, None
            self._uncount()
            if isinstance(failure, ChipStop):
                raise ChipStop(f"{self.where(self.pc)}: {failure}") from None
            raise failure
        if self._back:
            self._uncount()
            return
        self._handle(self._happened)

    def _handle(self, happened: tuple[str, int] | None) -> None:
        if happened is None:
            self.asleep = not self._hooks.stopped
            return
        kind, number = happened
        if kind == "exception" and number == _EXCEPTION_RETURN:
            self.leave_exception(self.pc)
        elif kind == "exception" and number == _SUPERVISOR_CALL:
            self.take_exception(SVCALL, 0)
        elif kind == "exception" and number in _USAGE_BITS:
            self._uncount()
            self.take_exception(USAGE_FAULT, _USAGE_BITS[number])
        elif kind == "unmapped":
            self._uncount()
            self.take_exception(BUS_FAULT, *self.system.bus_fault(number))
        elif kind == "error" and self._last_halfword() == WFE:
            self.asleep = not self._event_register
            self._event_register = False
        elif kind == "error" and number == self.unicorn.UC_ERR_INSN_INVALID:
            self._uncount()
            self.take_exception(USAGE_FAULT, _USAGE_BITS[1])
        else:
            breakpoint = kind == "exception" and number == _BREAKPOINT
            what = "a breakpoint without a debugger" if breakpoint else f"Unicorn's {kind} {number}"
            raise ChipStop(f"{self.where(self.pc)}: the core stopped for {what}")

    def _last_halfword(self) -> int:
        return int.from_bytes(self.uc.mem_read(self.pc - 2, 2), "little") if self.pc >= 2 else 0

    def _uncount(self) -> None:
        """Take the instructions from the present one to the end of its block off the count."""
        address, size = self._hooks.address, self._hooks.size
        if address <= self.pc < address + size:
            block = self._inspected(address, size)
            self.cycles -= block.instructions - block.executed(self.pc - address)

    # Hooks

    def _hook(self) -> None:
        uc = self.unicorn
        self.uc.hook_add(uc.UC_HOOK_INTR, self._on_exception)
        self.uc.hook_add(uc.UC_HOOK_MEM_UNMAPPED, self._on_unmapped)

    def _attend(self, address: int, size: int) -> int:
        """Return the instructions of a block that is new or needs attention."""
        try:
            call = self.rom_calls.get(address)
            if call is not None:
                self._engine.drop()
                call()
            block = self._inspected(address, size)
            if block.floating and not self.system.fpu_enabled:
                self._happened = ("exception", 17)
                self.uc.emu_stop()
                return 0
            if block.events:
                self._event_register = True
            if block.masks and self.nvic.pending:
                self._hooks.limit = 0
            if block.plain and call is None and self._constant(address):
                self._engine.learn(address, size, block.instructions)
            return block.instructions
        except BaseException as error:
            self._fail(error)
            return 0

    def _inspected(self, address: int, size: int) -> Block:
        key = (address << 12) | size
        block = self._blocks.get(key)
        if block is None:
            block = inspect(bytes(self.uc.mem_read(address, size)))
            if self._constant(address):
                self._blocks[key] = block
                self._pages_run.add(address >> _PAGE_BITS)
        return block

    def _constant(self, address: int) -> bool:
        return any(first <= address < end and not changing for first, end, changing in self._regions)

    def _on_exception(self, uc: Any, number: int, _: Any) -> None:
        self._happened = ("exception", number)
        uc.emu_stop()

    def _on_unmapped(self, uc: Any, access: int, address: int, size: int, value: int, _: Any) -> bool:
        self._happened = ("unmapped", address)
        return False

    def _read(self, address: int, size: int) -> int:
        try:
            self._engine.drop()
            value = self.space.read(address, size)
        except BaseException as error:
            self._fail(error)
            value = 0
        self._here = False
        return value

    def _write(self, address: int, size: int, value: int) -> None:
        try:
            self._engine.drop()
            self.space.write(address, size, value)
        except BaseException as error:
            self._fail(error)
        self._here = False

    def _fail(self, error: BaseException) -> None:
        """Keep an error, because none may pass through Unicorn, and stop."""
        self._error = error
        self.uc.emu_stop()

    def signal(self, interrupt: int, level: bool, source: str = "") -> None:
        """Drive an interrupt's line; where several sources share it, it is high while one drives it high."""
        before = self.nvic.pending
        self.nvic.set_line(interrupt, level, source)
        if self.nvic.pending & ~before:
            if self.system.sev_on_pend:
                self._event_register = True
            if self.nvic.pending & self.nvic.enabled & ~before & -(1 << FIRST_INTERRUPT):
                self.look()

    # Flash

    def add_read_only(self, address: int, size: int, store: Callable[[int, int, int], None]) -> None:
        """Map memory that the program reads and executes; `store(address, size, value)` takes its stores."""
        uc = self.unicorn
        self.uc.mem_map(address, size, uc.UC_PROT_READ | uc.UC_PROT_EXEC)
        self._regions.append((address, address + size, False))

        def on_store(_: Any, access: int, at: int, count: int, value: int, __: Any) -> bool:
            try:
                store(at, count, value & ((1 << 8 * count) - 1))
            except BaseException as error:
                self._fail(error)
            return True

        self.uc.hook_add(uc.UC_HOOK_MEM_WRITE_PROT, on_store, None, address, address + size - 1)

    def stand_still(self, cycles: int) -> None:
        """Let the core stand still for some cycles, awake, as it does while its flash is written."""
        self.stood += cycles
        self._hooks.waited += cycles
        self.cycles += cycles
        self._hooks.limit = 0

    def has_run(self, address: int, size: int) -> bool:
        """Return whether code at or near these addresses was executed since it was last forgotten."""
        pages = range((address >> _PAGE_BITS) - 1, ((address + size - 1) >> _PAGE_BITS) + 1)
        return any(page in self._pages_run for page in pages)

    def forget_code_if_run(self, address: int, size: int) -> None:
        """Translate code anew where some of these addresses was executed."""
        if self.has_run(address, size):
            self.forget_code(address, size)
