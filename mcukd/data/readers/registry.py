"""Registry of readers: a reader is one file and one line here, or one line of a plugin.

A plugin (see `mcukd.plugins`) calls `READERS.register(MyReader())`; cards then name it in source.reader.
"""

from __future__ import annotations

from typing import Any

from mcukd.data.readers.long_csv import LongCsvReader
from mcukd.data.readers.parquet import ParquetReader
from mcukd.data.readers.reader import Reader
from mcukd.data.readers.segments import SegmentsReader
from mcukd.data.readers.simulator import SimulatorReader
from mcukd.data.readers.ucihar import UciHarReader
from mcukd.plugins import Registry

READERS: Registry[Reader[Any]] = Registry(
    "reader",
    [SegmentsReader(), LongCsvReader(), UciHarReader(), ParquetReader(), SimulatorReader()],
)
