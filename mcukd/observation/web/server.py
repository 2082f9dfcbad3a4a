"""Server: serves a session's page at one address of this computer."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence
from threading import Event, Thread
from time import monotonic, sleep
from types import TracebackType

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mcukd.errors import UserError
from mcukd.observation.session import Session
from mcukd.observation.web.access import Access, Code
from mcukd.observation.web.app import page_app
from mcukd.observation.web.messages import MESSAGE_MAX
from mcukd.platforms import reuse_address

HERE = "127.0.0.1"
PORT = 8765
#: Connections at a time: pages of a few observers, and what a browser opens besides.
CONNECTIONS_MAX = 64
#: Seconds in which a new connection has to ask for something.
REQUEST_S = 5.0
_START_S = 10.0
Say = Callable[[str], None]


class PageServer:
    """The page of a session while the block lasts; it answers in a thread of its own.

    observers: who may use it, each with a code of their own; those who have not joined do. host: address of
    this computer to listen at. port: 0 for any that is free. say: shows a line to the person at this
    computer. Raises UserError where the address cannot be used.
    """

    def __init__(
        self,
        session: Session,
        observers: Sequence[str],
        host: str = HERE,
        port: int = PORT,
        say: Say = print,
    ) -> None:
        for observer in observers:
            session.join(observer)
        self._say = say
        self._socket = listening(host, port)
        self.port = int(self._socket.getsockname()[1])
        self._shown = f"[{host}]" if ":" in host else host
        self.access = Access(session.folder, observers, self._new_code)
        self._server = server_of(session, self.access, hosts_of(host, self.port))
        self._thread = Thread(target=self._run, daemon=True)

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{self._shown}:{self.port}/"

    def link(self, code: Code) -> str:
        """Return the address that lets one browser in; what stands after # is not sent over the network."""
        return f"{self.address}#{code.digits}"

    def invite(self, picture: bool) -> None:
        """Show the link and the code of each observer. picture: as a QR code for a phone's camera, too."""
        for code in self.access.codes:
            self._say(f"Page for {code.observer}: {self.link(code)}")
            if picture:
                self._say(qr_text(self.link(code)))
                self._say(f"Or open {self.address} and enter the code {code.spaced}.")

    def __enter__(self) -> PageServer:
        self._thread.start()
        end = monotonic() + _START_S
        while not self._server.started:
            if not self._thread.is_alive() or monotonic() > end:
                raise UserError(f"the page could not be served at {self.address}.")
            sleep(0.01)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        # Pages stay connected for ever; they connect again by themselves.
        self._thread.join(timeout=3)
        self._server.force_exit = True
        self._thread.join(timeout=3)
        self._socket.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def _new_code(self, code: Code) -> None:
        self._say(f"For another browser of {code.observer}: {self.link(code)} or the code {code.spaced}")


class _AskedSoon(H11Protocol):
    """A connection that is closed where nothing was asked, so that idle ones do not keep others out."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(REQUEST_S, self._require_request)

    def _require_request(self) -> None:
        if self.scope is None and not self.transport.is_closing():
            self.transport.close()


def server_of(session: Session, access: Access, hosts: Sequence[str]) -> uvicorn.Server:
    """Return a server of a session's page, which is not running yet."""
    return uvicorn.Server(
        uvicorn.Config(
            page_app(session, access, hosts),
            log_level="error",
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            http=_AskedSoon,
            ws="websockets-sansio",
            ws_max_size=MESSAGE_MAX,
            ws_ping_interval=20,
            limit_concurrency=CONNECTIONS_MAX,
            timeout_graceful_shutdown=1,
        )
    )


def serve(
    session: Session,
    observers: Sequence[str],
    host: str = HERE,
    port: int = PORT,
    say: Say = print,
    stop: Event | None = None,
) -> None:
    """Serve the page of a session until `stop` is set, or Ctrl-C. See `PageServer`."""
    stop = Event() if stop is None else stop
    with PageServer(session, observers, host, port, say) as server:
        server.invite(picture=not is_here(host))
        while not stop.wait(0.5):
            pass


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address. Raises UserError where it cannot, or for all at once."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise UserError(
            f"--host is {host!r}, expected a numeric address of this computer, such as {_guess()}."
        ) from None
    if address.is_unspecified:
        raise UserError(
            f"--host is {host}, which is every address of this computer; name the one in the phone's "
            f"network, such as {_guess()}."
        )
    made = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET)
    try:
        reuse_address(made)
        made.bind((host, port))
        made.listen(CONNECTIONS_MAX)
    except (OSError, OverflowError) as error:
        made.close()
        raise UserError(
            f"the page cannot be served at {host}, port {port}: {getattr(error, 'strerror', None) or error}; "
            "name another address with --host or another port with --web-port."
        ) from None
    return made


def hosts_of(host: str, port: int) -> list[str]:
    """Return the values of the Host header that name a server at an address."""
    names = [f"[{host}]" if ":" in host else host]
    if is_here(host):
        names.append("localhost")
    # Browsers leave port 80 out.
    ports = [f":{port}", *([""] if port == 80 else [])]
    return [f"{name.lower()}{each}" for name in names for each in ports]


def is_here(host: str) -> bool:
    """Whether an address is reached from this computer alone."""
    return ipaddress.ip_address(host).is_loopback


def qr_text(link: str) -> str:
    """Return a QR code as text, dark on light whatever the terminal's colours are."""
    import segno

    code = segno.make(link, error="m", micro=False)
    rows = [[False] * (len(code.matrix[0]) + 4)] * 2
    rows = [*rows, *([False, False, *map(bool, row), False, False] for row in code.matrix), *rows]
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    blocks = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
    pairs = zip(rows[::2], rows[1::2])
    lines = ["".join(blocks[two] for two in zip(upper, lower)) for upper, lower in pairs]
    return "\n".join(f"\x1b[30;107m{line}\x1b[0m" for line in lines)


def _guess() -> str:
    """Return this computer's address in its network, an example where it has none. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address reserved for documentation
            return str(probe.getsockname()[0])
        except OSError:
            return "192.168.43.10"
