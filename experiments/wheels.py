"""Whether every dependency has a wheel, by system, processor and Python: asks the package index through uv.

    python experiments/wheels.py [--write]

For the field part (`mcukd[field]`), recordings (`data`) and training (`train`) of this checkout.
Nothing is downloaded but facts on packages, and nothing is installed or run: a wheel that is there may still
not work. --write: put them into docs/results/wheels.json.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results" / "wheels.json"
PLATFORMS = {
    "Linux, x86-64": "x86_64-manylinux_2_28",
    "Linux, Arm": "aarch64-manylinux_2_28",
    "macOS, Arm": "aarch64-apple-darwin",
    "macOS, Intel": "x86_64-apple-darwin",
    "Windows, x86-64": "x86_64-pc-windows-msvc",
}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PARTS = ("field", "data", "train")


def resolved(part: str, platform: str, python: str) -> tuple[dict[str, str], str]:
    """Return the versions found by package, and, where there are none, why."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    command = [uv, "pip", "compile", "-q", str(ROOT / "pyproject.toml"), "--extra", part]
    command += ["--python-version", python, "--python-platform", platform, "--only-binary", ":all:"]
    ended = subprocess.run(
        [*command, "--no-annotate", "--no-header"], capture_output=True, text=True, check=False
    )
    if ended.returncode:
        said = re.sub(r"\s+", " ", ended.stderr[ended.stderr.find("Because") :])
        return {}, said[:300].strip()
    return dict(re.findall(r"^([\w.-]+)==(\S+)", ended.stdout, re.M)), ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    record: dict[str, dict[str, dict[str, object]]] = {}
    print(f"{'':20}" + "".join(f"{f'{part} {python}':>14}" for part in PARTS for python in PYTHONS))
    for name, platform in PLATFORMS.items():
        cells = []
        for part in PARTS:
            for python in PYTHONS:
                found, why = resolved(part, platform, python)
                facts: dict[str, object] = {"packages": len(found)} if found else {"missing": why}
                if "tensorflow" in found:
                    facts["tensorflow"] = found["tensorflow"]
                record.setdefault(name, {}).setdefault(part, {})[python] = facts
                cells.append(f"{len(found) or '-':>14}")
        print(f"{name:20}" + "".join(cells), flush=True)
    if options.write:
        content = {"command": "python experiments/wheels.py --write", "wheels": record}
        RESULTS.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
