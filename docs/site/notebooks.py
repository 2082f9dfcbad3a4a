"""Pages of the notebooks, with what came out of them where `make site` ran them before.

`python docs/site/notebooks.py` runs them into `build/notebooks`. A notebook that has changed since is shown
without outputs, and its page says so.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from repository import ROOT

FOLDER = ROOT / "docs" / "notebooks"
EXECUTED = ROOT / "build" / "notebooks"
#: Seconds that a cell may take on a busy computer.
_CELL_TIMEOUT = 1200
#: Lines of printed output that a page shows.
_LINES = 60


def notebook_pages() -> tuple[dict[str, str], dict[str, bytes]]:
    """Return the Markdown of the pages by the files of their notebooks, and the pictures by their names."""
    pages: dict[str, str] = {}
    pictures: dict[str, bytes] = {}
    for path in sorted(FOLDER.glob("*.ipynb")):
        notebook, ran = _with_outputs(path)
        page = f"docs/notebooks/{path.name}"
        pages[page] = "\n\n".join(_page(notebook, ran, path.name, pictures)) + "\n"
    return pages, pictures


def execute(path: Path, folder: Path) -> Any:
    """Run a notebook in a new process and return it with outputs; raises what a cell raises.

    folder: where it runs and keeps what it writes.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    began = time.monotonic()
    where = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=_CELL_TIMEOUT, kernel_name="python3", resources=where)
    client.execute(env={**os.environ, "TMPDIR": str(folder)})
    notebook.metadata["mcukd_seconds"] = round(time.monotonic() - began, 1)
    return notebook


def _with_outputs(path: Path) -> tuple[dict[str, Any], bool]:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    executed = EXECUTED / path.name
    if executed.exists():
        with_outputs = json.loads(executed.read_text(encoding="utf-8"))
        if _sources(with_outputs) == _sources(notebook):
            return with_outputs, True
    return notebook, False


def _sources(notebook: dict[str, Any]) -> list[str]:
    return ["".join(cell["source"]) for cell in notebook["cells"]]


def _page(notebook: dict[str, Any], ran: bool, name: str, pictures: dict[str, bytes]) -> Iterator[str]:
    title, *cells = notebook["cells"]
    head, _, rest = "".join(title["source"]).partition("\n")
    yield head
    link = f'<a href="{name}" download>Download this notebook</a>'
    if ran:
        seconds = notebook["metadata"]["mcukd_seconds"]
        yield f"<small>{link}. It was run for this page, in {seconds} s.</small>"
    else:
        yield f"<small>{link}. This page was built without running it; `make site` runs it first.</small>"
    yield rest.strip()
    for number, cell in enumerate(cells):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield source
        else:
            yield f"```python\n{source}\n```"
            for place, output in enumerate(cell["outputs"]):
                yield from _output(output, f"{Path(name).stem}-{number}-{place}.png", pictures)


def _output(output: dict[str, Any], name: str, pictures: dict[str, bytes]) -> Iterator[str]:
    if output["output_type"] == "stream":
        if output["name"] == "stdout":  # progress is on standard error
            yield _text("".join(output["text"]))
        return
    found = output.get("data", {})
    if "image/png" in found:
        pictures[f"notebooks/{name}"] = base64.b64decode("".join(found["image/png"]))
        yield f"![Figure of the cell above]({name})"
    elif "image/svg+xml" in found:
        svg = "".join(found["image/svg+xml"])
        encoded = base64.b64encode(svg.encode()).decode()
        yield f'<img alt="Figure of the cell above" src="data:image/svg+xml;base64,{encoded}">'
    elif "text/html" in found:
        table = "".join(found["text/html"])
        begin, end = table.find("<table"), table.rfind("</table>")
        if begin < 0:
            yield _text(table)
            return
        # Without attributes it looks as other tables do; a blank line would end the block of HTML.
        inner = "<table>" + table[table.index(">", begin) + 1 : end] + "</table>"
        yield "\n".join(line for line in inner.splitlines() if line.strip())
    elif "text/plain" in found:
        yield _text("".join(found["text/plain"]))


def _text(text: str) -> str:
    lines = text.rstrip("\n").split("\n")
    shown = lines if len(lines) <= _LINES else [*lines[:_LINES], f"… {len(lines) - _LINES} more lines"]
    return "```text\n" + "\n".join(line.replace("```", "'''") for line in shown) + "\n```"


def main() -> int:
    """Run all notebooks and keep them with their outputs; return 1 where one fails."""
    import nbformat

    EXECUTED.mkdir(parents=True, exist_ok=True)
    for path in sorted(FOLDER.glob("*.ipynb")):
        with TemporaryDirectory() as folder:
            notebook = execute(path, Path(folder))
        nbformat.write(notebook, EXECUTED / path.name)
        print(f"{path.name}: {notebook.metadata['mcukd_seconds']} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
