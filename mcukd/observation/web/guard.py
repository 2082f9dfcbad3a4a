"""Guard: what is asked of every request before it is answered, and what every answer tells the browser.

A request must name this server as its host, so that no page of another site reaches it under a name of its
own (DNS rebinding); one that writes, and a WebSocket, must come from a page of this server.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Longest body of a request, in bytes; the only one is a code.
BODY_MAX = 1024
_SAFE = ("GET", "HEAD")


class Guard:
    """ASGI middleware. hosts: the values of the Host header that name this server, with their ports."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app, self._hosts = app, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        problem = self._problem(scope)
        if problem and scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": problem})
        elif problem:
            await PlainTextResponse(problem, 403)(scope, receive, self._telling(scope, send))
        else:
            await self._app(scope, receive, self._telling(scope, send))

    def _problem(self, scope: Scope) -> str:
        headers = Headers(scope=scope)
        host, origins = headers.getlist("host"), headers.getlist("origin")
        if len(host) != 1 or host[0].lower() not in self._hosts:
            return "this server has another name"
        own = [f"http://{host[0].lower()}"]
        writes = scope["type"] == "websocket" or scope["method"] not in _SAFE
        if (writes or origins) and [one.lower() for one in origins] != own:
            return "the request comes from another site"
        return ""

    def _telling(self, scope: Scope, send: Send) -> Send:
        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(answer_headers(Headers(scope=scope).get("host", "")))
            await send(message)

        return telling


def answer_headers(host: str) -> dict[str, str]:
    """Return the headers of every answer. host: that the request named."""
    # Older browsers do not take a WebSocket for one of 'self'. A host that was refused is not repeated.
    socket = f" ws://{host}" if host and all(one.isalnum() or one in ".:[]-" for one in host) else ""
    return {
        "content-security-policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            f"connect-src 'self'{socket}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(), geolocation=(), screen-wake-lock=(self)",
        "cache-control": "no-store",
    }


async def body_of(request: Any) -> bytes:
    """Return a request's body. Raises ValueError where it is longer than `BODY_MAX`."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_MAX:
            raise ValueError("the request is too long")
    return body
