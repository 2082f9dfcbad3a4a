"""Import structure: no circle between files or rooms. `make lint` checks the layers themselves."""

from __future__ import annotations

from collections.abc import Mapping

import grimp
import pytest


def circles(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components of more than one node (Tarjan's algorithm)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in imports[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            component = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(component) > 1:
                found.append(sorted(component))

    for node in imports:
        if node not in index:
            visit(node)
    return found


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """All imports of the package: those within functions and those for types alone count as well."""
    return grimp.build_graph("mcukd", exclude_type_checking_imports=False, cache_dir=None)


def room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == [["b", "c"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_circle_between_files(graph: grimp.ImportGraph) -> None:
    assert len(graph.modules) > 200
    assert (
        circles({module: graph.find_modules_directly_imported_by(module) for module in graph.modules}) == []
    )


def test_no_circle_between_rooms(graph: grimp.ImportGraph) -> None:
    imports: dict[str, set[str]] = {room(module): set() for module in graph.modules}
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            if room(other) not in (room(module), "mcukd"):
                imports[room(module)].add(room(other))
    assert len(imports) > 20
    assert circles(imports) == []
