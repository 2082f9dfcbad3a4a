"""A generated firmware compiled for this machine, talking over standard input and output."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builders.compile import SANITIZED, STRICT

from mcukd.boards.model import load_board
from mcukd.codegen.firmware import model_folders, templates_context
from mcukd.codegen.templates import render_folders
from mcukd.fixedpoint.model import IntegerModel

FIRMWARE_SHA256 = "ab" * 32
#: Baud rate of the line to such a device, so that no test waits as for a UART.
FAST = 100_000_000


def write_device(model: IntegerModel, directory: Path, board: str = "bench") -> list[str]:
    """Generate model and app into `directory` with the native port; return the C files."""
    directory.mkdir(parents=True, exist_ok=True)
    context = {
        **templates_context(model),
        "board": load_board("native").model_copy(update={"name": board}),
    }
    folders = [*model_folders(model), "app", "port/common", "port/native"]
    for name, text in render_folders(folders, context).items():
        (directory / name).write_text(text)
    listed = ", ".join(f"0x{byte:02x}" for byte in bytes.fromhex(FIRMWARE_SHA256))
    (directory / "firmware_id.h").write_text(f"#define MCUKD_FIRMWARE_SHA256_BYTES {listed}\n")
    return sorted(map(str, directory.glob("*.c")))


def build_device(model: IntegerModel, directory: Path, board: str = "bench", sanitized: bool = True) -> Path:
    """Generate model and app into `directory` and compile them with the native port."""
    sources, binary = write_device(model, directory, board), directory / "device"
    flags = [*STRICT, *(SANITIZED if sanitized else ["-O1"])]
    subprocess.run(["cc", *flags, *sources, "-o", binary], check=True)
    return binary


@contextmanager
def serving(binary: Path) -> Iterator[str]:
    """Yield the `socket://` URL of the device; each connection meets one that has just started."""
    server = socket.create_server(("127.0.0.1", 0))
    processes: list[subprocess.Popen[bytes]] = []

    def accept() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with client:
                processes.append(subprocess.Popen([binary], stdin=client, stdout=client))

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"socket://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)
        for process in processes:
            process.kill()
            process.wait()
