"""Writer of mHealth's annotation CSV: a bout a row, local wall-clock times to the millisecond.

Read back as any other table of labels (`mcukd.annotations.tables`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mcukd.data.importer.local_time import utc_of_local
from mcukd.data.importer.times import zone_of
from mcukd.files import write_text
from mcukd.metrics.agreement.track import Track

COLUMNS = ("HEADER_TIME_STAMP", "START_TIME", "STOP_TIME", "LABEL_NAME", "PARTICIPANT_ID")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write_mhealth(path: Path, tracks: Sequence[Track], zone: str) -> int:
    """Write the bouts of tracks and return how many there are.

    zone: of the times, an IANA name or an offset. Raises UserError for a time that came twice in that zone,
    which the file could not tell.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    count = 0
    for track in tracks:
        bouts = track.bouts()
        for start, end, behaviour in zip(bouts.starts, bouts.ends, bouts.behaviours):
            begun, ended = (_local(path, int(ns), zone) for ns in (start, end))
            rows.writerow([begun, begun, ended, track.classes[behaviour], track.animal])
            count += 1
    write_text(path, text.getvalue())
    return count


def _local(path: Path, ns: int, zone: str) -> str:
    """Return a time in ns since 1970 on the clock of a zone; UserError for one that came twice there."""
    moment = _EPOCH + timedelta(milliseconds=(ns + 500_000) // 1_000_000)
    local = moment.astimezone(zone_of(zone)).replace(tzinfo=None)
    utc_of_local((local - datetime(1970, 1, 1)).total_seconds(), zone, f"{path}: a bout's time")
    return local.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
