"""Faulty serial lines for tests: a TCP proxy that loses, damages, echoes or invents bytes.

Example: `python -m mcukd.harness.faults --drop-every 10 /dev/ttyACM0` prints a `socket://` URL for
`mcukd validate --port`.
"""

from __future__ import annotations

import argparse
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mcukd.errors import UserError
from mcukd.harness.transport import Link, open_link


@dataclass(frozen=True)
class Faults:
    """What happens to bytes, separately in each direction.

    drop_every: the N-th, 2N-th, … byte is lost (0: none). drop, corrupt: probability that a byte is lost
    or one of its bits flipped. seed: of that chance. stops_after: bytes behind which nothing comes any more
    (0: never).
    """

    drop_every: int = 0
    drop: float = 0.0
    corrupt: float = 0.0
    seed: int = 0
    stops_after: int = 0

    def line(self, direction: int) -> Callable[[bytes], bytes]:
        """Return a function that passes bytes on as one direction of this line does."""
        chance = random.Random(2 * self.seed + direction)
        passed = 0

        def through(data: bytes) -> bytes:
            nonlocal passed
            kept = bytearray()
            for byte in data:
                passed += 1
                if self.stops_after and passed > self.stops_after:
                    break
                if (self.drop_every and passed % self.drop_every == 0) or chance.random() < self.drop:
                    continue
                kept.append(byte ^ 1 << chance.randrange(8) if chance.random() < self.corrupt else byte)
            return bytes(kept)

        return through


@contextmanager
def bad_line(target: str, faults: Faults) -> Iterator[str]:
    """Put `faults` in front of the device at pyserial URL `target`; yield the URL of the bad line."""

    def serve(client: socket.socket, stop: threading.Event) -> None:
        hung_up = threading.Event()
        back = threading.Thread(target=_back, args=(device, client, faults.line(1), hung_up), daemon=True)
        back.start()
        there = faults.line(0)
        while data := _receive(client, stop):
            device.send(there(data))
        hung_up.set()
        back.join()

    with open_link(target) as device, _listening(serve) as url:
        yield url


@contextmanager
def false_device(behaviour: str, seed: int = 0) -> Iterator[str]:
    """Yield the URL of something that is no device: `echo`, `silent` or `garbage`."""

    def serve(client: socket.socket, stop: threading.Event) -> None:
        chance = random.Random(seed)
        while data := _receive(client, stop):
            if behaviour == "echo":
                client.sendall(data)
            elif behaviour == "garbage":
                client.sendall(bytes(chance.randrange(256) for _ in range(3 * len(data))))

    with _listening(serve) as url:
        yield url


def _back(
    device: Link, client: socket.socket, through: Callable[[bytes], bytes], hung_up: threading.Event
) -> None:
    while not hung_up.is_set():
        try:
            client.sendall(through(device.receive(time.monotonic())))
        except (OSError, UserError):
            return


def _receive(client: socket.socket, stop: threading.Event) -> bytes:
    """Return what has arrived, waiting for it; empty when the other end closed or `stop` is set."""
    while not stop.is_set():
        try:
            return client.recv(4096)
        except TimeoutError:
            continue
        except OSError:
            break
    return b""


@contextmanager
def _listening(serve: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Accept one connection after another on a free local port, each served by `serve`."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.1)
    stop = threading.Event()

    def accept() -> None:
        while not stop.is_set():
            try:
                client, _ = server.accept()
            except TimeoutError:
                continue
            with client:
                client.settimeout(0.1)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                serve(client, stop)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"socket://127.0.0.1:{server.getsockname()[1]}"
    finally:
        stop.set()
        thread.join(5)
        server.close()


def main(arguments: list[str] | None = None) -> int:
    """Run a bad line from the command line until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m mcukd.harness.faults", description=__doc__)
    parser.add_argument("target", help="pyserial URL of the device, or: echo, silent, garbage")
    parser.add_argument("--drop-every", type=int, default=0, metavar="N", help="lose every N-th byte")
    parser.add_argument("--drop", type=float, default=0.0, metavar="P", help="lose a byte with probability P")
    parser.add_argument(
        "--corrupt", type=float, default=0.0, metavar="P", help="flip a bit of a byte with probability P"
    )
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    if given.target in ("echo", "silent", "garbage"):
        line = false_device(given.target, given.seed)
    else:
        line = bad_line(given.target, Faults(given.drop_every, given.drop, given.corrupt, given.seed))
    try:
        with line as url:
            print(url, flush=True)
            while True:
                time.sleep(1)
    except KeyboardInterrupt:
        return 0
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
