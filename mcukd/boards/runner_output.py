"""Output of flash runners: success, cause of a failure, and the probes that they list.

A runner's exit status is not enough: OpenOCD's scripts print "Error: …" and go on, pyOCD ends with 0 when it
is interrupted. A board counts as flashed only where the output reports that the image was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from mcukd.boards.runners.runner import Runner

#: Lines that look like errors and are none: a core whose flash is empty is locked up until it is halted.
_HARMLESS = re.compile(r"clearing lockup after double fault", re.I)
_ERROR = re.compile(
    r"^(\S+: )?error\b(?! *count)|^\d+ [EC] |^\*\* .*\b(failed|unable)\b|^Traceback \(most recent"
    r"|^invalid command|^(fatal|failed|failure)\b",
    re.I,
)
_GOOD_NEWS = re.compile(r"^(Info|Debug) ?:|^\d+ [ID] |\b(wrote|verified|programmed) \d+ bytes\b", re.I)
_PREFIX = re.compile(r"^(\S+: )?Error ?: ?|^\d+ [CEW] (Error: )?|^Warn ?: ?")
#: Characters of a line that are looked at and quoted; progress bars and prompts can go on and on.
_LONGEST_LINE = 300
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

NO_PROBE, SEVERAL, NO_SUCH_PROBE, LOCKED = "no probe", "several probes", "no such probe", "locked"

#: Cause → what shows it, on whatever line; these come before a line that is only their consequence.
_FIRST: Sequence[tuple[str, str]] = (
    (
        SEVERAL,
        r"number of the debug probe|(multiple|several|more than one) (\S+ ){0,3}(probe|adapter|device)s?\b"
        r"|\bfound ([2-9]|\d\d+) (\S+ ){0,3}(probe|adapter|device)s\b|ambiguous"
        r"|\b([2-9]|\d\d+) (\S+ ){0,3}(probe|adapter|device)s (are |were )?(found|connected|match)",
    ),
    (NO_SUCH_PROBE, r"no connected debug probe matches|serial mismatch"),
    (
        LOCKED,
        r"AP lock engaged|APPROTECT enabled(?!: will)|debug access is denied|\bis (currently )?locked\b"
        r"|in a locked state|readout protect",
    ),
    ("unlock failed", r"mass erase failed|unable to unlock|recovery failed|cannot access nRF52 CTRL-AP"),
)

#: Cause → what shows it, on a line that tells of a failure.
_OTHERS: Sequence[tuple[str, str]] = (
    ("halt", r"timed? ?out.*\bhalt|\bnot halted|(unable|failed) to (reset and )?halt|halt\w* .*timed? ?out"),
    (
        "verify",
        r"checksum mismatch|^diff \d+ address|verif\w* (has )?(failed|error)|verify mismatch"
        r"|contents? (differ|mismatch)",
    ),
    (
        "access",
        r"LIBUSB_ERROR_ACCESS|insufficient permission|permission denied|access is denied|access denied",
    ),
    ("busy", r"LIBUSB_ERROR_BUSY|resource busy|address already in use|couldn't bind|claimed by another"),
    (
        NO_PROBE,
        r"\bno (\S+ ){0,3}(device|probe|adapter)s?\b.*\bfound|unable to find"
        r"|no (available|connected) debug|no target device available|XDS110: failed to connect"
        r"|no device found|open failed|LIBUSB_ERROR_N|unable to open"
        r"|failed to open device|no such device|could not find .*(probe|adapter)"
        r"|failed to connect to (the )?(probe|adapter)|probe .*(not found|disconnected)",
    ),
    (
        "no target",
        r"scan chain interrogation failed|all (ones|zeroes)|connecting DP|cannot read IDR|no ACK\b"
        r"|unable to connect to the target|could not (initialize the debug port|find MEM-AP)"
        r"|no target connected|cannot connect|failed to connect|target voltage|not examined"
        r"|memory transfer fault",
    ),
    ("other chip", r"unexpected idcode|UNEXPECTED:|expected \d+ of \d+|wrong (chip|device|target)"),
    (
        "place",
        r"no flash bank|no memory region|outside .*(memory|flash|region)|not within a memory"
        r"|invalid flash address",
    ),
    ("file", r"couldn't open \S+\.(elf|hex|bin)|no such file .*\.(elf|hex|bin)|not an ELF|invalid ELF"),
    (
        "scripts",
        r"can't find \S+\.(cfg|tcl)|invalid (command name|subcommand|choice)|unrecognized arguments"
        r"|target type .* (not recognized|unknown)|unknown target|couldn't open",
    ),
    (
        "write",
        r"failed (erasing|writing)|(flash|page|sector)\b.*(failed|failure|abort|timed? ?out)|error writing"
        r"|programming failed|write failed|erase failed",
    ),
    ("question", r"EOF when reading"),
)

_ADVICE = {
    LOCKED: "the chip is locked: --unlock unlocks it, and erases everything on it",
    "unlock failed": "the chip did not unlock: power it off and on and try again, or use the maker's tool",
    "halt": "the chip did not halt when the probe told it to: power the board off and on, and flash again",
    "verify": "what was read back differs from what was written: flash again",
    "access": "you may not use the probe: close other programs that do, and on Linux add udev rules for it",
    "busy": "another program uses the probe: close it (another OpenOCD, a debugger), and flash again",
    NO_PROBE: "no debug probe answers: connect it, check its USB cable, or name one with --probe",
    "no target": "the probe is there, but no chip answers behind it: power the board, and check the cable "
    "between probe and board",
    "other chip": "another chip than the board's answers: check --board, and what the probe is wired to",
    "place": "the image lies outside the memory of the chip that answers: check --board",
    "file": "the runner cannot read the image: run 'mcukd build' again",
    "scripts": "the runner does not know this board's scripts or options: install its current version",
    "write": "the chip did not take what was written: power the board off and on, and flash again",
    "question": "the runner asked a question, and mcukd answers none: run its command by hand (--dry-run)",
}


def flashed(runner: Runner, output: str) -> bool:
    """Tell whether the output of a runner reports that an image was written (and verified, where it does)."""
    for pattern in runner.success:
        found = re.findall(pattern, _plain(output))
        numbers = [sum(int(n) for n in (one if isinstance(one, tuple) else (one,)) if n) for one in found]
        if not sum(numbers):
            return False
    return True


def error_lines(output: str) -> list[str]:
    """Return the lines in which a runner calls something an error."""
    return [line for line in _lines(output) if _ERROR.search(line) and not _HARMLESS.search(line)]


def cause_of(output: str) -> tuple[str | None, str]:
    """Return what failed (a cause above; None where no pattern tells) and the line that says so.

    Lines of good news are passed over: "verified … bytes" before a time-out is no failed verification.
    """
    lines = [line for line in _lines(output) if not _HARMLESS.search(line)]
    bad = [line for line in lines if not _GOOD_NEWS.search(line)]
    errors = [line for line in bad if _ERROR.search(line)]
    for cause, pattern in _FIRST:
        for line in bad:
            if re.search(pattern, line, re.I):
                return cause, _said(line)
    for line in [*errors, *bad]:
        for cause, pattern in _OTHERS:
            if re.search(pattern, line, re.I):
                return cause, _said(line)
    if errors and errors[0].startswith("Traceback"):
        return None, _said(bad[-1])  # a Python program says there what went wrong
    return None, _said((errors or bad[-1:] or lines[-1:] or ["nothing"])[0])


def advice_on(cause: str) -> str:
    """Return what a cause is and what to do about it."""
    return _ADVICE[cause]


def probes_in(output: str) -> dict[str, str]:
    """Return serial number → name of the probes that a runner lists, in its order."""
    found: dict[str, str] = {}
    for line in _lines(output):
        table = re.match(r"\d+\s+(\S.*?)\s{2,}(\S+)(\s{2,}\S|$)", line)
        matching = re.match(r"(\S.*?) \| (\S+)$", line)
        named = re.search(r"\bserial(?: ?(?:number|no\.?))?[:=#\s]*['\"]?([\w-]*\d[\w-]*)", line, re.I)
        if table:
            found.setdefault(table[2], table[1])
        elif matching:
            found.setdefault(matching[2], matching[1])
        elif named and not _ERROR.search(line):  # an error names a probe that is not there
            found.setdefault(named[1], "")
    return found


def named_probes(probes: dict[str, str]) -> str:
    """Return serial numbers, each with its name, as a list in words."""
    from mcukd.text import listed

    return listed([f"{serial} ({name})" if name else serial for serial, name in probes.items()])


def _plain(output: str) -> str:
    """Return output without escape sequences, and with blanks for what no terminal shows."""
    return "".join(c if c.isprintable() or c in "\r\n" else " " for c in _ESCAPES.sub("", output))


def _lines(output: str) -> list[str]:
    return _stripped(re.split(r"[\r\n]+", _plain(output)))


def _stripped(lines: Iterable[str]) -> list[str]:
    return [_short(line.strip()) for line in lines if line.strip()]


def _short(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]} …"


def _said(line: str) -> str:
    return re.sub(r" \[\w+\]$", "", _PREFIX.sub("", line)).rstrip(".> ") or line
