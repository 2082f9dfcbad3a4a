"""App: the routes of a session's page. Files have fixed names; nothing in a request names a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from mcukd.observation.session import Session
from mcukd.observation.web.access import Access, TooManyTries
from mcukd.observation.web.guard import Guard, body_of
from mcukd.observation.web.live import Live

#: The browser's secret. Ports share cookies, so a second session's has another name.
COOKIE = "mcukd-observer"
KEPT_S = 30 * 24 * 3600
_PAGE = Path(__file__).resolve().parent / "page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
#: Files that anybody may have: they hold nothing of a session.
ASSETS = (
    "page.css",
    "enter.js",
    "observe.js",
    "clock.js",
    "outbox.js",
    "link.js",
    "view.js",
    "ethogram.js",
    "icon.svg",
)


def page_app(session: Session, access: Access, hosts: Sequence[str]) -> Starlette:
    """Return the app of a session's page. hosts: the names, with ports, under which it is reached."""
    cookie = cookie_name(session)

    def observer_of(request: object) -> str:
        cookies = request.cookies  # type: ignore[attr-defined]
        return access.observer_of(cookies.get(cookie)) or ""

    async def page(request: Request) -> Response:
        return _file("observe.html" if observer_of(request) else "enter.html")

    async def enter(request: Request) -> Response:
        try:
            content = json.loads(await body_of(request))
            code = content["code"]
            if not isinstance(code, str) or len(content) != 1:
                raise ValueError("no code")
        except (ValueError, KeyError, TypeError, RecursionError):
            return JSONResponse({"why": "a code of eight digits is expected"}, 400)
        try:
            found = access.enter(code)
        except TooManyTries as error:
            wait = f"{error.wait_s:.0f}"
            return JSONResponse({"why": str(error)}, 429, {"retry-after": wait})
        except OSError:
            return JSONResponse({"why": "the session's folder cannot be written; is its disk full?"}, 503)
        if found is None:
            return JSONResponse({"why": "this is not the code that the computer shows now"}, 403)
        answer = Response(status_code=204)
        answer.set_cookie(cookie, found[1], max_age=KEPT_S, path="/", httponly=True, samesite="strict")
        return answer

    async def live(socket: WebSocket) -> None:
        observer = observer_of(socket)
        if not observer:
            await socket.close(1008, "enter the code first")
            return
        await socket.accept()
        await Live(socket, session, session.recorder(observer)).run()

    def asset(name: str) -> Route:
        async def answer(request: Request) -> Response:
            return _file(name)

        return Route(f"/{name}", answer, methods=["GET"])

    async def missing(request: Request, error: Exception) -> Response:
        return PlainTextResponse("nothing is here", 404)

    return Starlette(
        routes=[
            Route("/", page, methods=["GET"]),
            Route("/enter", enter, methods=["POST"]),
            WebSocketRoute("/live", live),
            *map(asset, ASSETS),
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={404: missing},
    )


def cookie_name(session: Session) -> str:
    """Return the name of the cookie of a session's browsers."""
    return f"{COOKIE}-{session.facts.id[:8]}"


def _file(name: str) -> Response:
    path = _PAGE / name
    return Response(path.read_bytes(), media_type=_TYPES[path.suffix])
