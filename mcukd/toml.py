"""TOML files of boards and cards, read with one sentence for whatever is wrong with them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mcukd.errors import UserError

if sys.version_info >= (3, 11):
    import tomllib  # novm
else:
    import tomli as tomllib


def load_toml(path: Path) -> dict[str, Any]:
    """Return a TOML file's content; UserError where it is missing, no text, or no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; check the name.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}).") from error
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not valid TOML ({error}); correct that line.") from error
