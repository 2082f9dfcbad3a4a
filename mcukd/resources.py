"""Data folders that travel beside the package: templates, boards, dataset cards and schemas of payloads."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource_dir(name: str) -> Path:
    """Return the folder `firmware_templates`, `boards`, `datasets` or `payloads`.

    An installed wheel carries them in `mcukd/_resources/`; a checkout has them at its top level.
    """
    installed = _PACKAGE / "_resources" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
