"""Notebooks of the documentation: they run from a new process, and say that their data are simulated."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from builders.places import ROOT
from builders.site import site_module

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("nbclient", "ipykernel"):
        pytest.importorskip(package, reason="what runs notebooks is not installed (extra docs)")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "cwd").mkdir()
    notebook = site_module("notebooks").execute(path, tmp_path / "cwd")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    shown = [output for cell in code for output in cell.outputs if output.output_type != "stream"]
    assert any("image/png" in one.data or "image/svg+xml" in one.data for one in shown)
    assert any("<table" in one.data.get("text/html", "") for one in shown)
    assert "simulated" in " ".join(one.text for cell in code for one in cell.outputs if "text" in one).lower()
    print(f"{path.stem}: {notebook.metadata['mcukd_seconds']} s")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_without_outputs_and_says_what_it_is(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    first = "".join(notebook["cells"][0]["source"])
    assert first.startswith("# ") and re.search(r"\*\*[^*]*simulated[^*]*\*\*", first)


def test_a_notebook_that_changed_is_shown_without_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebooks = site_module("notebooks")
    text = NOTEBOOKS[0].read_text(encoding="utf-8")
    ran = json.loads(text)
    ran["metadata"]["mcukd_seconds"] = 3.5
    code = next(cell for cell in ran["cells"] if cell["cell_type"] == "code")
    code["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["what came out\n"]}]
    monkeypatch.setattr(notebooks, "EXECUTED", tmp_path)
    (tmp_path / NOTEBOOKS[0].name).write_text(json.dumps(ran), encoding="utf-8")
    page = notebooks.notebook_pages()[0][f"docs/notebooks/{NOTEBOOKS[0].name}"]
    assert "```text\nwhat came out\n```" in page and "3.5 s" in page
    code["source"] = ["changed"]
    (tmp_path / NOTEBOOKS[0].name).write_text(json.dumps(ran), encoding="utf-8")
    page = notebooks.notebook_pages()[0][f"docs/notebooks/{NOTEBOOKS[0].name}"]
    assert "what came out" not in page and "without running it" in page
