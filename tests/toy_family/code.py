"""Code form of the toy family: templates beside this file, portable C only."""

from pathlib import Path
from typing import Any

from mcukd.codegen.families import CodeForm
from toy_family.integers import SCALE_LENGTH, MeansModel


def context(model: MeansModel) -> dict[str, Any]:
    """Return what the templates print."""
    return {"scale": model.scale, "scale_length": SCALE_LENGTH, "ram_bytes": 2 * model.state_halfwords}


CODE = CodeForm(str(Path(__file__).with_name("templates")), context)
