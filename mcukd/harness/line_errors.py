"""Errors of a line to a device, in sentences: what answers, or does not, and what to do."""

from __future__ import annotations

from mcukd.errors import UserError
from mcukd.harness.messages import Request


def only_echo(url: str) -> UserError:
    """Return the error of a line that gives back what is sent to it."""
    return UserError(
        f"{url}: the port only echoes what is sent to it; expected a device running mcukd's "
        "firmware, check that it is powered and that its two data lines are not joined."
    )


def never_answered(url: str, attempts: int, received: int, noise: bytes) -> UserError:
    """Return the error of a line on which nothing was understood. received: bytes; noise: some of them."""
    if noise:
        shown = "".join(chr(b) if 32 <= b < 127 else f"\\x{b:02x}" for b in noise[:16])
        return UserError(
            f"{url}: what answers is not mcukd's firmware ({received} bytes, beginning "
            f"'{shown}'); check port and baud rate, or flash the board with 'mcukd flash'."
        )
    return UserError(
        f"{url}: nothing answers ({attempts} attempts); check that the board is powered, flashed "
        "with 'mcukd flash', and that this is its port."
    )


def stopped_answering(url: str, request: Request, attempts: int, retries: int) -> UserError:
    """Return the error of a device that has answered before."""
    return UserError(
        f"{url}: the device stopped answering ({request.name} sent {attempts} times in vain, "
        f"{retries} retries in all); check cable and supply and run again."
    )


def malformed(url: str, request: Request, size: int) -> UserError:
    """Return the error of a reply of `size` bytes that the device's model does not explain."""
    return UserError(
        f"{url}: the reply to {request.name} has {size} bytes, which its model does not "
        "explain; its firmware is of another mcukd, build and flash it again."
    )


def crashed(url: str, when: str, fault: str) -> UserError:
    """Return the error of a firmware that ran into a fault; when: what it did."""
    return UserError(
        f"{url}: the firmware crashed {when} (exception {fault}); look the addresses up in its firmware.elf."
    )
