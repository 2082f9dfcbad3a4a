"""Tables with rows of several sensors: selection of the accelerometer's rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.importer.text import TextForm

OTHER_TYPE = "the row is of another sensor or kind of data"
_TYPE_NAME = re.compile(
    r"(data|record|row|message|sensor|event)?[ _.-]?(type|kind)|sensor([ _.-]?(name|id))?|stream",
    re.IGNORECASE,
)
_ACC_TYPE = re.compile(
    r"(^|[^a-z])(sen_?)?acc(el\w*)?([^a-z]|$)|(^|[^a-z])(sen_all|imu)([^a-z]|$)", re.IGNORECASE
)
_NOT_ACC = re.compile(r"linear|gyr|mag(?!nitude)|gravity|user", re.IGNORECASE)
_MOST_KINDS = 20


def sensor_column(forms: Sequence[TextForm], taken: Sequence[str | None]) -> str | None:
    """Return the column that says of every row which sensor it is of, None where there is none."""
    for name in forms[0].header:
        if name in taken or not _TYPE_NAME.fullmatch(name):
            continue
        kinds = set(forms[0].column(name))
        if len(kinds) <= _MOST_KINDS and any(map(_is_acceleration, kinds)):
            return name if all(name in form.header for form in forms) else None
    return None


def of_others(kinds: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which rows (n,) of a column of sensors are of another than the accelerometer."""
    others = {kind: not _is_acceleration(str(kind)) for kind in set(kinds)}
    return np.array([others[kind] for kind in kinds], dtype=bool)


def _is_acceleration(kind: str) -> bool:
    return bool(_ACC_TYPE.search(kind)) and not _NOT_ACC.search(kind)
