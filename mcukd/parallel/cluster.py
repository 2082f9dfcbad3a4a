"""Connection to a running Dask cluster; Dask itself comes with the extra `cluster`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Optional

from mcukd import __version__
from mcukd.errors import UserError
from mcukd.extras import load

#: Seconds to wait for a scheduler to answer, and then for a worker to be there.
PATIENCE = 15


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
def connect(scheduler: str, folder: Optional[Path] = None) -> Iterator[Cluster]:
    """Yield a connection to the scheduler at an address such as `tcp://host:8786`.

    folder: where results are written, which all workers must see. Raises UserError where Dask is not
    installed, nothing answers, no worker is there, or one has another version of mcukd or lacks the folder.
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
        _check_workers(client, folder)
        yield Cluster(client, distributed)


def _check_workers(client: Any, folder: Optional[Path]) -> None:
    try:
        found = client.run(_worker_facts, None if folder is None else str(folder))
    except ModuleNotFoundError as error:
        raise UserError(f"a Dask worker lacks the package '{error.name}'; install mcukd there.") from None
    for address, (version, seen) in found.items():
        if version != __version__:
            raise UserError(
                f"the Dask worker {address} has mcukd {version}, here it is {__version__}; install the same."
            )
        if not seen:
            raise UserError(
                f"the Dask worker {address} does not see {folder}; use a folder that all computers share."
            )


def _worker_facts(folder: Optional[str]) -> tuple[str, bool]:
    return __version__, folder is None or Path(folder).is_dir()
