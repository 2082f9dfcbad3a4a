"""Connection to a running Dask cluster; Dask itself comes with the extra `cluster`."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mcukd import __version__
from mcukd.errors import UserError
from mcukd.extras import load

#: Seconds to wait for a scheduler to answer, and then for a worker to be there.
PATIENCE = 15
#: Bytes of a file's beginning by which workers tell another copy of it.
_HEAD = 1 << 16


class Cluster:
    """A connection to a scheduler."""

    def __init__(self, client: Any, distributed: Any) -> None:
        self._client, self._distributed = client, distributed

    @property
    def KilledWorker(self) -> type[Exception]:
        """Exception that a future raises when its workers died again and again."""
        return self._distributed.KilledWorker

    def as_completed(self, futures: Iterable[Any]) -> Iterator[Any]:
        """Yield futures as they finish or fail."""
        return self._distributed.as_completed(futures, loop=self._client.loop)

    def submit(self, function: Callable[..., Any], *arguments: Any, key: str) -> Any:
        """Call a function on a worker, once the futures among its arguments are done."""
        return self._client.submit(function, *arguments, key=key, pure=False)


@contextmanager
def connect(scheduler: str, paths: Sequence[Path] = ()) -> Iterator[Cluster]:
    """Yield a connection to the scheduler at an address such as `tcp://host:8786`.

    paths: folders and files that all workers must see, with the content that they have here. Raises
    UserError where Dask is not installed, nothing answers, no worker is there, or one has another version of
    mcukd, lacks a path or has another file there. Workers that join later are not asked.
    """
    distributed = load("distributed", "--scheduler")
    # Dask would also log the tracebacks of the errors raised here.
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = distributed.Client(scheduler, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise UserError(
            f"--scheduler {scheduler}: no Dask scheduler answers there ({error}); start one with "
            "'dask scheduler' and give the address it prints."
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise UserError(
                f"--scheduler {scheduler}: no worker has joined; start some with 'dask worker {scheduler} "
                "--nthreads 1'."
            ) from None
        _check_workers(client, scheduler, paths)
        yield Cluster(client, distributed)


def _check_workers(client: Any, scheduler: str, paths: Sequence[Path]) -> None:
    names = [str(path) for path in paths]
    here = [_content(name) for name in names]
    found = client.run(_worker_facts, names, on_error="return")
    silent: dict[str, Exception] = {}
    for address, facts in found.items():
        if isinstance(facts, ModuleNotFoundError):
            raise UserError(f"a Dask worker lacks the package '{facts.name}'; install mcukd there.")
        if isinstance(facts, OSError):
            silent[address] = facts
            continue
        if isinstance(facts, Exception):
            raise facts
        version, there = facts
        if version != __version__:
            raise UserError(
                f"the Dask worker {address} has mcukd {version}, here it is {__version__}; install the same."
            )
        for name, expected, seen in zip(names, here, there):
            if not seen:
                raise UserError(
                    f"the Dask worker {address} does not see {name}; use a folder that all computers share."
                )
            if expected not in (None, seen):
                raise UserError(
                    f"the Dask worker {address} has another {name} than this computer; use a folder that all "
                    "computers share."
                )
    # Those that are silent are gone, which the scheduler has not noticed yet: the others will do their tasks.
    if len(silent) == len(found):
        why = next((f"{address}: {error}" for address, error in silent.items()), "all have left")
        raise UserError(
            f"--scheduler {scheduler}: no worker answers ({why}); start some with 'dask worker "
            f"{scheduler} --nthreads 1'."
        )


def _worker_facts(paths: Sequence[str]) -> tuple[str, list[str | None]]:
    return __version__, [_content(path) for path in paths]


def _content(name: str) -> str | None:
    """Return what tells a folder or file from another: of a file, its size and beginning; None without it."""
    path = Path(name)
    try:
        if path.is_dir():
            return "folder"
        with path.open("rb") as stream:
            return f"{path.stat().st_size} {hashlib.sha256(stream.read(_HEAD)).hexdigest()}"
    except OSError:
        return None


def worker_address() -> str:
    """Return the address of the worker that runs this task."""
    return str(load("distributed", "--scheduler").get_worker().address)
