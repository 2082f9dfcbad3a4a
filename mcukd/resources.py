"""Data that travel beside the package: templates, boards, dataset cards, schemas of payloads, the licence."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource_dir(name: str) -> Path:
    """Return the folder `firmware_templates`, `boards`, `datasets` or `payloads`.

    An installed wheel carries them in `mcukd/_resources/`; a checkout has them at its top level.
    """
    installed = _PACKAGE / "_resources" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def resource_file(name: str) -> Path:
    """Return a file that travels beside the package: `LICENSE`."""
    installed = _PACKAGE / "_resources" / name
    return installed if installed.is_file() else _PACKAGE.parent / name
