"""Exceptions of Armv7-M on a Unicorn core: entry, return, faults, reset of the registers.

References are to the Armv7-M Architecture Reference Manual, DDI 0403E, B1.5.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mcukd.chips.nvic import BUS_FAULT, HARD_FAULT, MEM_FAULT, NMI, SVCALL, USAGE_FAULT, Nvic
from mcukd.chips.stop import ChipStop

_STACKING_ERROR, _UNSTACKING_ERROR = 1 << 12, 1 << 11
_PRECISE, _ADDRESS_VALID, _INSTRUCTION = 1 << 9, 1 << 15, 1 << 8
_FORCED, _VECTOR_READ = 1 << 30, 1 << 1
_INVALID_RETURN = 1 << 18
_BASIC, _EXTENDED = 32, 104
_THUMB, _ALIGNED = 1 << 24, 1 << 9


@dataclass
class SystemState:
    """What the system control block holds about faults, sleep and the floating-point unit.

    handlers: enable bits of SHCSR for MemManage (16), BusFault (17) and UsageFault (18).
    """

    cfsr: int = 0
    hfsr: int = 0
    bfar: int = 0
    handlers: int = 0
    cpacr: int = 0
    scr: int = 0
    ccr: int = 0x200
    lazy: int = 0xC0000000

    @property
    def fpu_enabled(self) -> bool:
        """Whether CPACR gives full access to the floating-point unit."""
        return self.cpacr >> 20 & 0xF == 0xF

    @property
    def sev_on_pend(self) -> bool:
        """Whether an interrupt that becomes pending is an event for WFE."""
        return bool(self.scr & 1 << 4)

    @property
    def sleep_on_exit(self) -> bool:
        """Whether the core sleeps when it returns to thread mode."""
        return bool(self.scr & 1 << 1)

    @property
    def sleep_deep(self) -> bool:
        """Whether the core asks for deep sleep."""
        return bool(self.scr & 1 << 2)

    def bus_fault(self, address: int) -> tuple[int]:
        """Keep the address of a data bus fault; return its bits of CFSR."""
        self.bfar = address
        return (_PRECISE | _ADDRESS_VALID,)


class ExceptionUnit:
    """What a core needs to take and leave exceptions; `Core` adds the rest.

    uc, arm: the Unicorn engine and its constants. masks: returns PRIMASK, FAULTMASK and BASEPRI. nvic: the
    interrupt controller. vector_table: address of the vectors. pc: where the core goes on. where: returns an
    address in words.
    """

    uc: Any
    arm: Any
    nvic: Nvic
    system: SystemState
    has_fpu: bool
    vector_table: int
    pc: int
    asleep: bool
    where: Callable[[int], str]
    masks: Callable[[], Sequence[int]]

    def read_memory(self, address: int, size: int) -> bytes:
        """Return the content of memory."""
        raise NotImplementedError

    def write_memory(self, address: int, data: bytes) -> None:
        """Change memory."""
        raise NotImplementedError

    def is_memory(self, address: int, size: int) -> bool:
        """Return whether a stretch lies in one mapped memory."""
        raise NotImplementedError

    def reset_registers(self) -> None:
        """Set the core's registers as reset does (B1.5.5)."""
        arm, uc = self.arm, self.uc
        for number in range(arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R0 + 13):
            uc.reg_write(number, 0)
        uc.reg_write(arm.UC_ARM_REG_IPSR, 0)
        for name in ("CONTROL", "PRIMASK", "FAULTMASK", "BASEPRI"):
            uc.reg_write(getattr(arm, f"UC_ARM_REG_{name}"), 0)
        stack, entry = struct.unpack("<II", self.read_memory(self.vector_table, 8))
        if not entry & 1:
            raise ChipStop(f"the vector of reset is {entry:#010x}, which is no Thumb address")
        uc.reg_write(arm.UC_ARM_REG_SP, stack & ~3)
        uc.reg_write(arm.UC_ARM_REG_LR, 0xFFFFFFFF)
        self.pc = entry & ~1

    def take_exception(self, number: int, bits: int) -> None:
        """Take an exception that the program caused; a fault that cannot be taken becomes a HardFault.

        bits: of CFSR. The core's `pc` is the return address (B1.5.6, B1.5.14).
        """
        system = self.system
        system.cfsr |= bits
        masks = self.masks()
        enabled = number in (HARD_FAULT, NMI, SVCALL) or bool(system.handlers >> (12 + number) & 1)
        if enabled and self.nvic.can_take(number, *masks):
            self.enter_exception(number)
            return
        if not self.nvic.can_take(HARD_FAULT, *masks):
            raise ChipStop(
                f"{self.where(self.pc)}: the core locks up: a fault (CFSR {system.cfsr:#010x}, address "
                f"{system.bfar:#010x}) where none can be taken"
            )
        system.hfsr |= _FORCED
        self.enter_exception(HARD_FAULT)

    def enter_exception(self, number: int) -> None:
        """Push the frame and go on at the exception's vector (B1.5.6)."""
        arm, uc = self.arm, self.uc
        sp, xpsr, control = uc.reg_read_batch(
            (arm.UC_ARM_REG_SP, arm.UC_ARM_REG_XPSR, arm.UC_ARM_REG_CONTROL)
        )
        floating = bool(self.has_fpu and control & 4 and self.system.lazy >> 31)
        size = _EXTENDED if floating else _BASIC
        frame = (sp - size) & ~7
        words = uc.reg_read_batch(self._frame_registers())
        xpsr = (xpsr & ~_ALIGNED) | _THUMB | (_ALIGNED if sp & 4 else 0)
        data = struct.pack("<8I", *words, self.pc, xpsr)
        if floating:
            registers = [uc.reg_read(arm.UC_ARM_REG_S0 + n) & 0xFFFFFFFF for n in range(16)]
            data += struct.pack("<18I", *registers, uc.reg_read(arm.UC_ARM_REG_FPSCR) & 0xFFFFFFFF, 0)
        handler_before = bool(self.nvic.active)
        process = bool(control & 2) and not handler_before
        code = 0xFFFFFFE1 if floating else 0xFFFFFFF1
        code |= 0 if handler_before else 0xC if process else 0x8
        broken = not self.is_memory(frame, size)
        if not broken:
            self.write_memory(frame, data)
        uc.reg_write(arm.UC_ARM_REG_SP, frame)
        if floating:
            uc.reg_write(arm.UC_ARM_REG_CONTROL, control & ~4)
        self.nvic.enter(number)
        if broken:
            number = self._stacking_failed(number)
        uc.reg_write(arm.UC_ARM_REG_IPSR, number)
        uc.reg_write(arm.UC_ARM_REG_LR, code)
        vector = self.vector_table + 4 * number
        if not self.is_memory(vector, 4):
            raise ChipStop(f"the core locks up: the vector table at {self.vector_table:#010x} is no memory")
        entry = struct.unpack("<I", self.read_memory(vector, 4))[0]
        if not entry & 1:
            raise ChipStop(f"the vector of exception {number} is {entry:#010x}, which is no Thumb address")
        self.pc = entry & ~1

    def _stacking_failed(self, number: int) -> int:
        """Return the exception whose handler runs when a frame could not be pushed (B1.5.8)."""
        self.system.cfsr |= _STACKING_ERROR
        if number in (HARD_FAULT, NMI):
            return number
        self.nvic.leave(number)
        self.nvic.unpend(1 << number)
        if number not in (MEM_FAULT, BUS_FAULT, USAGE_FAULT):
            self.nvic.pend(number)
        self.system.hfsr |= _FORCED
        self.nvic.enter(HARD_FAULT)
        return HARD_FAULT

    def leave_exception(self, code: int) -> None:
        """Return from an exception; `code` is EXC_RETURN without its lowest bit (B1.5.8)."""
        arm, uc, nvic = self.arm, self.uc, self.nvic
        number = uc.reg_read(arm.UC_ARM_REG_IPSR)
        if code & 0xFFFFFFE0 != 0xFFFFFFE0 or code & 0xE not in (0x0, 0x8, 0xC) or number not in nvic.active:
            raise ChipStop(f"the return from exception {number} by {code | 1:#010x} is none that exists")
        nvic.leave(number)
        if number != NMI:
            uc.reg_write(arm.UC_ARM_REG_FAULTMASK, 0)
        to_thread = bool(code & 8)
        if to_thread == bool(nvic.active):
            mode = "thread" if to_thread else "handler"
            raise ChipStop(
                f"the return from exception {number} goes to {mode} mode, while "
                f"{'another exception is' if nvic.active else 'no exception is'} active"
            )
        floating = not code & 0x10
        process = code & 4
        uc.reg_write(arm.UC_ARM_REG_IPSR, 0)
        control = uc.reg_read(arm.UC_ARM_REG_CONTROL)
        uc.reg_write(arm.UC_ARM_REG_CONTROL, (control & ~6) | (2 if process else 0) | (4 if floating else 0))
        frame = uc.reg_read(arm.UC_ARM_REG_PSP if process else arm.UC_ARM_REG_MSP)
        size = _EXTENDED if floating else _BASIC
        if not self.is_memory(frame, size):
            self.system.cfsr |= _UNSTACKING_ERROR
            raise ChipStop(f"the core locks up: the frame to return to, at {frame:#010x}, is no memory")
        words = struct.unpack("<8I", self.read_memory(frame, _BASIC))
        for register, value in zip(self._frame_registers(), words[:6]):
            uc.reg_write(register, value)
        if floating:
            saved = struct.unpack("<18I", self.read_memory(frame + _BASIC, _EXTENDED - _BASIC))
            for n in range(16):
                uc.reg_write(arm.UC_ARM_REG_S0 + n, saved[n])
            uc.reg_write(arm.UC_ARM_REG_FPSCR, saved[16])
        xpsr = words[7]
        uc.reg_write(arm.UC_ARM_REG_SP, frame + size + (4 if xpsr & _ALIGNED else 0))
        uc.reg_write(arm.UC_ARM_REG_XPSR, xpsr & ~_ALIGNED)
        self.pc = words[6] & ~1
        if to_thread and self.system.sleep_on_exit:
            self.asleep = True

    def _frame_registers(self) -> tuple[int, ...]:
        arm = self.arm
        return (
            arm.UC_ARM_REG_R0,
            arm.UC_ARM_REG_R1,
            arm.UC_ARM_REG_R2,
            arm.UC_ARM_REG_R3,
            arm.UC_ARM_REG_R12,
            arm.UC_ARM_REG_LR,
        )
