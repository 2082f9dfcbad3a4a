"""Live: one page's connection to its session: presses in, news out."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from mcukd.observation.event_recorder import EventRecorder
from mcukd.observation.session import Session
from mcukd.observation.web.messages import BadMessage, Ping, read_message, take_press

NS = 1_000_000_000
#: Snapshots are sent to a page at most so often, s; what the tag says is sent at once.
SNAPSHOT_S = 0.4


class Live:
    """Connection of one page of one observer, until the page or the server ends it."""

    def __init__(self, socket: WebSocket, session: Session, recorder: EventRecorder) -> None:
        self._socket, self._session, self._recorder = socket, session, recorder
        self._news = asyncio.Event()
        self._told_tag: dict[str, Any] | None = None

    async def run(self) -> None:
        """Take presses and tell news."""
        loop = asyncio.get_running_loop()

        def listen() -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._news.set)

        end = self._session.listen(listen)
        self._news.set()
        tasks = [asyncio.create_task(self._tell()), asyncio.create_task(self._take())]
        try:
            # Whichever ends first ends the other: a page that is told nothing connects again.
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            end()
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                    await task
            if self._socket.client_state == WebSocketState.CONNECTED:
                with suppress(RuntimeError):
                    await self._socket.close()

    async def _take(self) -> None:
        while True:
            try:
                message = read_message(await self._socket.receive_text())
            except KeyError:
                await self._socket.close(1008, "a text is expected, not bytes")
                return
            except BadMessage as problem:
                if problem.press:
                    await self._send({"type": "refused", "id": problem.press, "why": str(problem)})
                    continue
                await self._socket.close(1008, str(problem)[:100])
                return
            if isinstance(message, Ping):
                now_us = self._session.clock.now_ns() // 1000
                speed = float(getattr(self._session.clock, "speed", 1.0))
                await self._send({"type": "pong", "sent": message.sent, "now_us": now_us, "speed": speed})
                continue
            answer = await run_in_threadpool(take_press, self._recorder, message)
            await self._send(answer)
            self._session.tell()

    async def _tell(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        pending = True
        while True:
            timeout = max(0.0, due - loop.time()) if pending else None
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), timeout)
            if self._news.is_set():
                self._news.clear()
                pending = True
                news = tag_news(self._session)
                if news != self._told_tag:
                    self._told_tag = news
                    await self._send({"type": "tag", "tag": news})
            if pending and loop.time() >= due:
                pending = False
                snapshot = await run_in_threadpool(self._session.snapshot)
                await self._send({"type": "snapshot", "observer": self._recorder.observer, **snapshot})
                due = loop.time() + SNAPSHOT_S

    async def _send(self, message: dict[str, Any]) -> None:
        await self._socket.send_text(json.dumps(message, allow_nan=False, separators=(",", ":")))


def tag_news(session: Session) -> dict[str, Any] | None:
    """Return what the tag says now, as `Session.snapshot` names it; None where nothing may be shown."""
    side, facts = session.tag, session.facts
    latest = side.state.latest
    if facts.blind or latest is None or side.other_model():
        return None

    def named(code: int | None) -> str | None:
        return None if code is None or code >= len(facts.classes) else facts.classes[code]

    return {
        "behaviour": named(latest.behaviour),
        "raw": named(latest.raw),
        "time": latest.received_ns / NS,
    }
