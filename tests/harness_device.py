"""A generated firmware compiled for this machine, talking over standard input and output."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mcukd.codegen.context import model_context
from mcukd.codegen.firmware import _render
from mcukd.fixedpoint.model import IntegerModel

STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Werror"]
SANITIZED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
FIRMWARE_SHA256 = "ab" * 32

PORT_H = """
#include <stdint.h>
#define PORT_COUNTER_KIND 1
#define PORT_COUNTER_SCALE 40
void port_init(void);
int port_read(void);
void port_write(const uint8_t *bytes, uint32_t count);
uint32_t port_counter(void);
void port_stack_paint(void);
uint32_t port_stack_high_water(void);
void port_idle(void);
"""
#: Blocking reads; the counter goes up by seven per look.
PORT_C = """
#include <stdlib.h>
#include <unistd.h>
#include "mcukd_port.h"
static uint32_t ticks;
void port_init(void) { }
int port_read(void) { uint8_t b; if (read(0, &b, 1) != 1) { exit(0); } return b; }
void port_write(const uint8_t *bytes, uint32_t count)
{
    while (count > 0) {
        const ssize_t n = write(1, bytes, count);
        if (n <= 0) { exit(0); }
        bytes += n;
        count -= (uint32_t)n;
    }
}
uint32_t port_counter(void) { ticks += 7u; return ticks; }
void port_stack_paint(void) { }
uint32_t port_stack_high_water(void) { return 1234u; }
void port_idle(void) { }
"""


def build_device(model: IntegerModel, directory: Path, board: str = "bench", sanitized: bool = True) -> Path:
    """Generate model and app into `directory` and compile them with a port of pipes."""
    directory.mkdir(parents=True, exist_ok=True)
    facts = {"board": {"name": board, "emulated": True}}
    for name, text in _render(["model", "app"], {"model": model_context(model), **facts}).items():
        (directory / name).write_text(text)
    listed = ", ".join(f"0x{byte:02x}" for byte in bytes.fromhex(FIRMWARE_SHA256))
    (directory / "firmware_id.h").write_text(f"#define MCUKD_FIRMWARE_SHA256_BYTES {listed}\n")
    (directory / "mcukd_port.h").write_text(PORT_H)
    (directory / "port.c").write_text("#define _POSIX_C_SOURCE 200809L\n" + PORT_C)
    binary = directory / "device"
    sources = sorted(map(str, directory.glob("*.c")))
    flags = [*STRICT, *(SANITIZED if sanitized else [])]
    subprocess.run(["cc", *flags, "-O1", *sources, "-o", binary], check=True)
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
