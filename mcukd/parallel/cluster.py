"""Connection to a running Dask cluster; Dask itself comes with the extra `cluster`."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcukd import __version__
from mcukd.errors import UserError
from mcukd.extras import load
from mcukd.files import mark_in

#: Seconds to wait for a scheduler to answer, and then for a worker to be there.
PATIENCE = 15
#: Bytes of a file's beginning by which workers tell another copy of it.
_HEAD = 1 << 16


#: What a worker must have, in plain values that every version of mcukd can read: the version of mcukd, and of
#: each file what messages call it, its path, and what tells it from another (None where it is not here).
Needed = tuple[str, tuple[tuple[str, str, str | None], ...]]


@dataclass(frozen=True)
class Refused:
    """Result of a task that a worker did not begin, because it lacks something or has it otherwise.

    complaint: a sentence that names the worker.
    """

    address: str
    complaint: str


class Cluster:
    """A connection to a scheduler. needed: what its workers must have for any task."""

    def __init__(self, client: Any, distributed: Any, needed: Needed) -> None:
        self._client, self._distributed, self.needed = client, distributed, needed

    @property
    def KilledWorker(self) -> type[Exception]:
        """Exception that a future raises when its workers died again and again."""
        return self._distributed.KilledWorker

    def as_completed(self) -> Any:
        """Return an iterator over futures as they finish or fail, to which `add` adds some."""
        return self._distributed.as_completed(loop=self._client.loop)

    def submit(
        self, function: Callable[..., Any], *arguments: Any, key: str, workers: Collection[str] = ()
    ) -> Any:
        """Call a function on a worker. workers: those that may do it; others where all of them have left."""
        where = {"workers": list(workers), "allow_other_workers": True} if workers else {}
        return self._client.submit(function, *arguments, key=key, pure=False, **where)

    def workers(self) -> set[str]:
        """Return the addresses of the workers that are there now."""
        return set(self._client.nthreads())


@contextmanager
def connect(scheduler: str, paths: Sequence[Path] = (), files: Sequence[Path] = ()) -> Iterator[Cluster]:
    """Yield a connection to the scheduler at an address such as `tcp://host:8786`.

    paths: folders and files that every task needs; workers must see the same folders, and files with the
    content that they have here. files: further ones, each of some task. Raises UserError where Dask is not
    installed, nothing answers, no worker is there, or one has another version of mcukd, lacks a path or has
    another file there. Workers that join later are to ask themselves, by `complaint_here`.
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
    with ExitStack() as stack:
        stack.enter_context(client)
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise UserError(
                f"--scheduler {scheduler}: no worker has joined; start some with 'dask worker {scheduler} "
                "--nthreads 1'."
            ) from None
        marks = {path: stack.enter_context(mark_in(path)) for path in paths if path.is_dir()}
        needed = needed_of((str(path), marks.get(path, path)) for path in paths)
        _check_workers(client, scheduler, and_files(needed, files))
        yield Cluster(client, distributed, needed)


def needed_of(paths: Iterable[tuple[str, Path]]) -> Needed:
    """Return what workers must have: this version of mcukd, and paths, each with what messages call it."""
    return __version__, tuple((shown, str(path), content_of(path)) for shown, path in paths)


def and_files(needed: Needed, files: Iterable[Path]) -> Needed:
    """Return what is needed, and files as they are here."""
    return needed[0], needed[1] + needed_of((str(path), path) for path in files)[1]


def _check_workers(client: Any, scheduler: str, needed: Needed) -> None:
    found = client.run(_worker_facts, [path for _, path, _ in needed[1]], on_error="return")
    silent: dict[str, Exception] = {}
    for address, facts in found.items():
        if isinstance(facts, ModuleNotFoundError):
            raise UserError(f"a Dask worker lacks the package '{facts.name}'; install mcukd there.")
        if isinstance(facts, OSError):
            silent[address] = facts
            continue
        if isinstance(facts, Exception):
            raise facts
        if told := _complaint(address, needed, *facts):
            raise UserError(told)
    # Those that are silent are gone, which the scheduler has not noticed yet: the others will do their tasks.
    if len(silent) == len(found):
        why = next((f"{address}: {error}" for address, error in silent.items()), "all have left")
        raise UserError(
            f"--scheduler {scheduler}: no worker answers ({why}); start some with 'dask worker "
            f"{scheduler} --nthreads 1'."
        )


def _complaint(address: str, needed: Needed, version: str, there: Sequence[str | None]) -> str | None:
    """Return what is wrong with a worker that has a version of mcukd and of each file what tells it."""
    if version != needed[0]:
        return f"the Dask worker {address} has mcukd {version}, here it is {needed[0]}; install the same."
    for (shown, _, here), seen in zip(needed[1], there):
        if not seen:
            return f"the Dask worker {address} does not see {shown}; use a folder that all computers share."
        if here not in (None, seen):
            return (
                f"the Dask worker {address} has another {shown} than this computer; use a folder that all "
                "computers share."
            )
    return None


def complaint_here(needed: Needed) -> Refused | None:
    """Return why the worker that this is called on cannot do a task, or None where it has what is needed."""
    address = worker_address()
    told = _complaint(address, needed, *_worker_facts([path for _, path, _ in needed[1]]))
    return None if told is None else Refused(address, told)


def _worker_facts(paths: Sequence[str]) -> tuple[str, list[str | None]]:
    return __version__, [content_of(Path(path)) for path in paths]


def content_of(path: Path) -> str | None:
    """Return what tells a folder or file from another: of a file, its size and beginning; None without it."""
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
