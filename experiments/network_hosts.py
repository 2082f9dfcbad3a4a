"""Hosts of a small network on this computer: network namespaces with an address each, joined by a bridge.

    with network(2) as hosts:
        scheduler = hosts[0].start([sys.executable, "-m", "distributed.cli.dask_scheduler", ...])
        hosts[1].unplug()

Needs Linux, `ip` and the right to make namespaces (root). The network has no way out: its only addresses are
those of the hosts. Hosts share this computer's files, processors and memory.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

#: A block that no other network here has: reserved for tests of network devices (RFC 2544).
_NETWORK = "198.18.77"


class NotAllowedError(Exception):
    """Namespaces cannot be made here; says why."""


@dataclass
class Host:
    """A network namespace with an address, a host name of its own, and the processes started in it."""

    name: str
    address: str
    namespace: str
    _port: tuple[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(
        self, line: Sequence[str], log: Path | None = None, **environment: str
    ) -> subprocess.Popen[bytes]:
        """Start a process of this host, whose number is that of the command itself. log: of both outputs."""
        # `hostname` as well: files name their writer by it.
        inside = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', self.name, *line]
        with (log or Path(os.devnull)).open("ab") as stream:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *inside],
                env={**os.environ, **environment},
                stdout=stream,
                stderr=stream,
            )
        self.processes.append(process)
        return process

    def kill(self) -> None:
        """Kill all processes of the host, as a cut of its power would."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()

    def unplug(self) -> None:
        """Take the host's port of the bridge down: whatever is sent to it or by it is lost without a word."""
        _ip("-n", self._port[0], "link", "set", self._port[1], "down")

    def plug(self) -> None:
        """Take the host's port of the bridge up again."""
        _ip("-n", self._port[0], "link", "set", self._port[1], "up")

    def traffic(self) -> dict[str, int]:
        """Return bytes and packets that the host's interface has sent and received."""
        told = json.loads(_ip("-n", self.namespace, "-s", "-j", "link", "show", "eth0"))[0]["stats64"]
        return {
            "bytes_sent": told["tx"]["bytes"],
            "bytes_received": told["rx"]["bytes"],
            "packets": told["tx"]["packets"] + told["rx"]["packets"],
        }


@contextmanager
def network(count: int) -> Iterator[list[Host]]:
    """Make hosts `host-1`, `host-2`, … on one bridge; end their processes and remove them afterwards.

    Raises NotAllowedError where this computer does not let it.
    """
    if missing := [name for name in ("ip", "unshare") if shutil.which(name) is None]:
        raise NotAllowedError(f"'{missing[0]}' is not installed, which makes network namespaces.")
    _remove_abandoned()
    switch = f"mcukd-{os.getpid()}-switch"
    hosts = [
        Host(f"host-{n}", f"{_NETWORK}.{n}", f"mcukd-{os.getpid()}-{n}", (switch, f"port{n}"))
        for n in range(1, count + 1)
    ]
    made: list[str] = []
    try:
        for namespace in (switch, *(host.namespace for host in hosts)):
            _ip("netns", "add", namespace)
            made.append(namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
        _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", switch, "link", "set", "bridge", "up")
        for host in hosts:
            port, inside = host._port[1], ("-n", host.namespace)
            _ip("-n", switch, "link", "add", port, "type", "veth", "peer", "eth0", "netns", host.namespace)
            _ip("-n", switch, "link", "set", port, "master", "bridge", "up")
            _ip(*inside, "address", "add", f"{host.address}/24", "dev", "eth0")
            _ip(*inside, "link", "set", "eth0", "up")
        yield hosts
    finally:
        for host in hosts:
            host.kill()
        for namespace in made:
            subprocess.run(["ip", "netns", "del", namespace], check=False)


def _remove_abandoned() -> None:
    """Remove what processes that were killed left here."""
    for line in _ip("netns", "list").splitlines():
        found = re.match(r"mcukd-(\d+)-(?:switch|\d+)\b", line)
        if found and not Path("/proc", found[1]).exists():
            _ip("netns", "del", found[0])


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotAllowedError(
            f"network namespaces cannot be made here ('ip {' '.join(arguments)}': "
            f"{done.stderr.strip() or done.returncode}); run it as root on Linux."
        )
    return done.stdout
