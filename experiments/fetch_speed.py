"""Time and bytes of fetching a million records, and that they come back as they are.

    python experiments/fetch_speed.py [--records 1000000] [--record]

SIMULATED: the tag at the far end is a program that answers from memory, and the line takes no time
(`mcukd/harness/far_end.py`). Real: the client, both encodings, the file and its reader. What is measured is
the bytes that pass, the seconds that this computer takes, and from the bytes, ten bits each, the seconds that
a line of 115,200 baud would take; turnaround times of a serial port and a tag come on top. `--record` writes
docs/results/fetch-speed.json.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mcukd.files import write_json
from mcukd.harness.far_end import SimulatedTag
from mcukd.harness.fetch import fetch
from mcukd.harness.protocol import Device
from mcukd.tag.fetched import read_fetched
from mcukd.tag.log import read_log
from mcukd.tag.records import BOUT, FORMAT, OVERHEAD, PAGE, Record, encode

ROOT = Path(__file__).resolve().parents[1]
BAUD = 115_200
CLASSES, PAGE_WORDS = 5, 1024


def bouts(count: int) -> Iterator[Record]:
    """Yield records of bouts, the commonest and shortest ones of a log."""
    for number in range(count):
        yield Record(
            BOUT, number % 7 == 0, number, 79 * number, (79 * number, number % CLASSES, 1 + number % 97)
        )


def pages(records: Iterator[Record]) -> dict[int, bytes]:
    """Return the pages of a log with these records, by number."""
    made: dict[int, bytes] = {}
    words: list[int] = []
    for record in records:
        if len(words) + record.length > PAGE_WORDS or not words:
            _close(made, words)
            header = (record.sequence, 0, 0, 1, FORMAT | CLASSES << 8)
            words = encode(Record(PAGE, False, len(made) + 1, record.seconds, header))
        words += encode(record)
    _close(made, words)
    return made


def _close(made: dict[int, bytes], words: list[int]) -> None:
    if words:
        made[len(made) + 1] = b"".join(word.to_bytes(4, "little") for word in words).ljust(
            4 * PAGE_WORDS, b"\xff"
        )


def main() -> None:
    """Fetch, compare, print, and record where asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    tag = SimulatedTag(pages(bouts(options.records)), CLASSES)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tag.log"
        began = time.monotonic()
        done = fetch(Device(tag), path)  # type: ignore[arg-type]
        seconds = time.monotonic() - began
        size = path.stat().st_size
        began = time.monotonic()
        found = [each.record for each in read_log(read_fetched(path).dump()).records]
        reading = time.monotonic() - began
    wrong = sum(one != other for one, other in zip(found, bouts(options.records)))
    of_records = options.records * 4 * (OVERHEAD + 3)
    passed = tag.bytes_sent + tag.bytes_received
    facts = {
        "simulated": "the far end and the line; client, encodings, file and reader are the real ones",
        "records": len(found),
        "records_wrong": wrong + abs(len(found) - options.records),
        "damage": list(done.log.damage),
        "bytes_of_records": of_records,
        "bytes_sent": tag.bytes_sent,
        "bytes_received": tag.bytes_received,
        "bytes_on_the_line_per_byte_of_records": round(passed / of_records, 4),
        "file_bytes": size,
        "baud": BAUD,
        "line_seconds": round(tag.line_seconds(BAUD), 1),
        "seconds_of_this_computer": round(seconds, 1),
        "seconds_to_read_the_file": round(reading, 1),
    }
    for name, value in facts.items():
        print(f"{name}: {value}")
    if options.record:
        write_json(ROOT / "docs" / "results" / "fetch-speed.json", facts)


if __name__ == "__main__":
    main()
