"""Programs that stand in for a device and start slowly, end while they start, or never answer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from mcukd.boards.launch import StandIn
from mcukd.boards.model import load_board
from mcukd.errors import UserError
from mcukd.harness.far_end import SimulatedTag
from mcukd.harness.protocol import Device
from mcukd.harness.stand_in import START_LIMIT_S, await_start, open_stand_in
from mcukd.platforms import has_pseudo_terminals

PAGES = {1: bytes(1024)}
needs_terminals = pytest.mark.skipif(not has_pseudo_terminals(), reason="needs pseudo-terminals")


class LateTag(SimulatedTag):
    """A tag that starts some seconds after the line was opened; its clock passes while it is awaited."""

    def __init__(self, starts_at: float) -> None:
        super().__init__(PAGES, 5)
        self.seconds, self._starts_at = 0.0, starts_at
        self._unread: list[bytes] = []
        self.asked = 0

    def now(self) -> float:
        return self.seconds

    def send(self, data: bytes) -> None:
        self.asked += 1
        self._unread.append(data)

    def receive(self, deadline: float) -> bytes:
        if self.seconds < self._starts_at:
            self.seconds = min(deadline, self._starts_at)
        if self.seconds >= self._starts_at:
            while self._unread:
                super().send(self._unread.pop(0))
        data = super().receive(deadline)
        if not data:
            self.seconds = max(self.seconds, deadline)
        return data


class Program:
    """A process of which only is known whether it lives; it ends after so many seconds of a tag's clock."""

    def __init__(self, tag: LateTag, seconds: float = 1e9) -> None:
        self._tag, self._seconds = tag, seconds

    def poll(self) -> int | None:
        return None if self._tag.seconds < self._seconds else 1


def stand_in(tag: LateTag, seconds: float = 1e9) -> StandIn:
    process: Any = Program(tag, seconds)
    return StandIn("the model of the nrf52840", "socket://here", process)


def late(starts_at: float) -> tuple[LateTag, Device]:
    tag = LateTag(starts_at)
    link: Any = tag
    return tag, Device(link, now=tag.now)


@pytest.mark.parametrize("starts_at", [0, 0.3, 10, 100, START_LIMIT_S - 10])
def test_a_slow_start_is_waited_for_and_costs_no_retry(starts_at: float) -> None:
    """Trap: eight questions within eight seconds, and then 'nothing answers', whatever the program did."""
    tag, device = late(starts_at)
    await_start(device, stand_in(tag))
    assert tag.seconds == pytest.approx(starts_at, abs=0.01)
    assert device.who().board == "simulated"
    assert device.retries == 0 and not device.robust
    assert tag.asked < 5 + starts_at / 4, "asked seldom"


def test_a_long_wait_says_what_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    tag, device = late(1)
    await_start(device, stand_in(tag))
    assert capsys.readouterr().err == ""
    tag, device = late(100)
    await_start(device, stand_in(tag))
    assert "Waiting for the model of the nrf52840 to start" in capsys.readouterr().err
    tag, device = late(100)
    await_start(device, stand_in(tag), shown=False)
    assert capsys.readouterr().err == ""


def test_a_program_that_lives_and_never_answers_is_given_up() -> None:
    tag, device = late(1e9)
    words = r"socket://here: the model of the nrf52840 runs, but has not answered after 300 s; run .* again"
    with pytest.raises(UserError, match=words):
        await_start(device, stand_in(tag))
    assert START_LIMIT_S <= tag.seconds < START_LIMIT_S + 1


def test_a_program_that_ends_is_not_waited_for() -> None:
    tag, device = late(1e9)
    with pytest.raises(UserError, match="the model of the nrf52840 ended before it answered"):
        await_start(device, stand_in(tag, 7.0))
    assert tag.seconds < 15


def program(folder: Path, *lines: str) -> Path:
    """Write a program that runs in place of the native firmware, on a terminal."""
    path = folder / "firmware.elf"
    path.write_text("\n".join([f"#!{sys.executable}", "import os, sys, time", *lines, ""]))
    path.chmod(0o755)
    return path


@needs_terminals
def test_a_process_that_starts_slowly_is_used_once_it_answers(tmp_path: Path) -> None:
    elf = program(
        tmp_path,
        "time.sleep(2)",
        "from mcukd.harness.far_end import SimulatedTag",
        "tag = SimulatedTag({1: bytes(1024)}, 5)",
        "while True:",
        "    tag.send(os.read(0, 4096))",
        "    while data := tag.receive(0):",
        "        os.write(1, data)",
    )
    with open_stand_in(load_board("native"), elf) as device:
        assert device.who().board == "simulated"


@needs_terminals
def test_a_process_that_ends_while_it_starts_says_why(tmp_path: Path) -> None:
    elf = program(tmp_path, "time.sleep(1.5)", "sys.exit('no memory is left')")
    words = r"the firmware ended by itself while running native \(exit 1\); it said: no memory is left"
    with pytest.raises(UserError, match=words), open_stand_in(load_board("native"), elf):
        pass
