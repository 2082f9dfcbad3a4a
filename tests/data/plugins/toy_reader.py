"""A plugin with a reader for a text format of its own: lines "= animal label", then lines of x y z."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from mcukd.data.raw_segments import RawSegment
from mcukd.data.readers.reader import FolderSource, Reader, Request
from mcukd.data.readers.registry import READERS
from mcukd.errors import UserError


class ToySource(FolderSource):
    """Files with the suffix `suffix`."""

    reader: Literal["toy"]
    suffix: str = ".toy"


class ToyReader(Reader[ToySource]):
    """Reads every block of a file as one segment."""

    name = "toy"
    source = ToySource
    labels_change = True

    def files(self, request: Request[ToySource]) -> list[Path]:
        """Return the files in the order of their names."""
        found = sorted(request.root.glob(f"*{request.source.suffix}"))
        if not found:
            raise UserError(f"{request.root} has no {request.source.suffix} file; name another source.folder")
        return found

    def read(self, request: Request[ToySource]) -> Iterator[RawSegment]:
        """Yield the blocks of all files."""
        for path in self.files(request):
            for block in path.read_text().split("= ")[1:]:
                head, *rows = block.splitlines()
                animal, label = head.split()
                samples = np.array([row.split() for row in rows], np.float64)
                yield RawSegment(animal, label, f"{path.name}, {animal}", samples, None, f"{path}, {head}")


READERS.register(ToyReader())
