"""Classification on two hosts of a network (namespaces of this computer), of which one fails."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from builders.classify import START, make_study, recording, started, write_parquet
from builders.cluster import needs_dask, wait_until

from mcukd.classify.job import ClassifyJob
from mcukd.pipeline.classify import classify_files

sys.path.insert(0, str(Path(__file__).parents[2] / "experiments"))
from network_hosts import Host, NotAllowedError, network

pytestmark = [needs_dask, pytest.mark.emulator]
#: Dask gives a silent host up after 30 s, and after 11 s at the least.
PATIENCE = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "11s", "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "2s"}
#: A command that takes longer has hung.
LIMIT_S = 300
WRITTEN = (".parquet", ".csv", ".png")
#: Preloaded by a worker that is to stop as soon as its first task is in the state in its environment: how far
#: the others get meanwhile does not decide what it has left to do.
STOPPING = """
import os, signal
from distributed.diagnostics.plugin import WorkerPlugin

class Stopping(WorkerPlugin):
    stopped = False

    def transition(self, key, start, finish, **_):
        if finish == os.environ["STOPS_AT"] and not self.stopped:
            self.stopped = True
            os.kill(os.getpid(), signal.SIGSTOP)

async def dask_setup(worker):
    await worker.plugin_add(Stopping())
"""


class TwoHosts:
    """A scheduler on the first host, workers where a test starts them, and recordings to classify."""

    def __init__(self, hosts: Sequence[Host], folder: Path) -> None:
        self.first, self.second = hosts
        self.folder, self.log = folder, folder / "cluster.log"
        self.run, _ = make_study(folder / "run")
        self.paths = [write_parquet(folder / f"cow{n}.parquet", recording(4000, n)) for n in range(8)]
        alone = [ClassifyJob(path, self.run, folder / "alone", started()) for path in self.paths]
        classify_files(alone)
        self.address = f"tcp://{self.first.address}:8786"
        (folder / "stopping.py").write_text(STOPPING)
        self._dask(self.first, "scheduler", "--host", self.first.address, "--port", "8786")

    def _dask(
        self, host: Host, part: str, *options: str, before: Sequence[str] = (), **environment: str
    ) -> Popen[bytes]:
        line = [sys.executable, "-m", f"distributed.cli.dask_{part}", *options, "--no-dashboard"]
        return host.start([*before, *line], self.log, **PATIENCE, **environment)

    def worker(
        self, host: Host, number: int, before: Sequence[str] = (), stops_at: str | None = None
    ) -> Popen[bytes]:
        """Start a worker, the cluster's so-manieth, and wait until the scheduler knows it.

        stops_at: state of its first task at which it stops, as by SIGSTOP.
        """
        options = ["--nthreads", "1", "--no-nanny", "--local-directory", str(self.folder.parent)]
        environment = {}
        if stops_at is not None:
            options += ["--preload", str(self.folder / "stopping.py")]
            environment["STOPS_AT"] = stops_at
        process = self._dask(host, "worker", self.address, *options, before=before, **environment)
        wait_until(
            lambda: self.log.read_text().count("Register worker") >= number, "no worker joined", LIMIT_S
        )
        return process

    def classify(self, out: str) -> tuple[Popen[bytes], Path]:
        """Start a classification on the first host; return its process and what it says."""
        said = self.folder / f"{out}.log"
        options = ["--run", self.run, "--out", self.folder / out, "--scheduler", self.address, *START]
        line = [sys.executable, "-m", "mcukd", "classify", *self.paths, *options]
        return self.first.start([str(part) for part in line], said), said

    def results(self, out: str) -> dict[str, bytes]:
        files = (self.folder / out).glob("[!.]*")
        return {path.name: path.read_bytes() for path in files if path.suffix in WRITTEN}

    def done(self, out: str) -> int:
        return len(list((self.folder / out).glob("[!.]*.summary.json")))


def stopped(process: Popen[bytes]) -> bool:
    """Return whether a process was stopped by a signal and not continued, as Linux tells it."""
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Any]:
    try:
        with network(2) as made:
            yield TwoHosts(made, tmp_path)
    except NotAllowedError as error:
        pytest.skip(str(error))


def test_a_host_that_is_cut_off_costs_no_file(hosts: TwoHosts) -> None:
    hosts.worker(hosts.first, 1)
    second = hosts.worker(hosts.second, 2, stops_at="executing")
    running, said = hosts.classify("cut-off")
    wait_until(lambda: stopped(second) or running.poll() is not None, "it was given no file", LIMIT_S)
    hosts.second.unplug()
    second.send_signal(signal.SIGCONT)
    assert running.poll() is None, said.read_text()
    assert running.wait(LIMIT_S) == 0, said.read_text()
    assert hosts.results("cut-off") == hosts.results("alone") != {}


@pytest.mark.slow
def test_a_host_that_is_silent_from_the_start_gets_no_file(hosts: TwoHosts) -> None:
    hosts.worker(hosts.first, 1)
    hosts.worker(hosts.second, 2)
    hosts.second.unplug()
    running, said = hosts.classify("silent")
    assert running.wait(LIMIT_S) == 0, said.read_text()
    assert hosts.results("silent") == hosts.results("alone") != {}


def test_a_host_that_joins_late_with_other_recordings_gets_none_to_do(hosts: TwoHosts) -> None:
    other = write_parquet(hosts.folder / "other.parquet", recording(4000, 99))
    mounts = " && ".join(f"mount --bind {other} {path}" for path in hosts.paths)
    # The first stands still until the second has what is left, which is most of it.
    first = hosts.worker(hosts.first, 1, stops_at="memory")
    running, said = hosts.classify("late")
    wait_until(lambda: stopped(first) or running.poll() is not None, "nothing was classified", LIMIT_S)
    assert hosts.done("late") == 1 and running.poll() is None, said.read_text()
    hosts.worker(hosts.second, 2, ["sh", "-c", f'{mounts} && exec "$@"', "sh"])
    wait_until(lambda: "the Dask worker" in said.read_text(), "the second worker was not asked", LIMIT_S)
    first.send_signal(signal.SIGCONT)
    assert running.wait(LIMIT_S) == 0, said.read_text()
    text = " ".join(said.read_text().split())
    assert f"the Dask worker tcp://{hosts.second.address}:" in text and "has another " in text
    assert "Other workers do what it refuses" in text and "Traceback" not in text
    assert hosts.results("late") == hosts.results("alone") != {}


def test_a_host_without_the_recordings_or_with_others_is_one_sentence(hosts: TwoHosts) -> None:
    # `ip netns exec` gives a process mounts of its own: over a recording, that host alone sees another one.
    missing, other = hosts.paths[2], hosts.folder / "other.parquet"
    write_parquet(other, recording(4000, 99))
    bind = ["sh", "-c", f'mount --bind {other} {missing} && exec "$@"', "sh"]
    hide = ["sh", "-c", f'mount -t tmpfs none {hosts.folder} && exec "$@"', "sh"]
    # A folder of its own in place of that for the results, which would stay there.
    own = hosts.folder / "refused2"
    own.mkdir()
    apart = ["sh", "-c", f'mount -t tmpfs none {own} && exec "$@"', "sh"]
    for number, (before, complaint) in enumerate(
        ((bind, f"has another {missing} "), (hide, "does not see "), (apart, f"does not see {own};"))
    ):
        worker = hosts.worker(hosts.second, number + 1, before)
        running, said = hosts.classify(f"refused{number}")
        assert running.wait(LIMIT_S) == 2, said.read_text()
        text = " ".join(said.read_text().split())
        assert f"the Dask worker tcp://{hosts.second.address}:" in text and complaint in text
        assert "Traceback" not in text and not hosts.results(f"refused{number}")
        worker.kill()
