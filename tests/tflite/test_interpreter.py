"""Choice of the interpreter: ai-edge-litert where it is installed, else TensorFlow's."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from mcukd import tensorflow_setup
from mcukd.tflite import interpreter as choosing
from mcukd.tflite.interpreter import interpreter


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What either interpreter was made with, in place of making it."""
    calls: list[tuple[str, dict[str, Any]]] = []
    kernels = SimpleNamespace(BUILTIN_REF="reference", AUTO="default")

    def maker(name: str) -> Any:
        return lambda **options: calls.append((name, options))

    package, module = ModuleType("ai_edge_litert"), ModuleType("ai_edge_litert.interpreter")
    module.__dict__.update(Interpreter=maker("litert"), OpResolverType=kernels)
    lite = SimpleNamespace(
        Interpreter=maker("tensorflow"), experimental=SimpleNamespace(OpResolverType=kernels)
    )
    monkeypatch.setitem(sys.modules, "ai_edge_litert", package)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", module)
    # Its own attribute would be looked up first, which imports TensorFlow.
    monkeypatch.setitem(tensorflow_setup.__dict__, "tensorflow", SimpleNamespace(lite=lite))
    return calls


@pytest.mark.parametrize(("there", "name"), [(True, "litert"), (False, "tensorflow")])
@pytest.mark.parametrize(("reference", "kernels"), [(True, "reference"), (False, "default")])
def test_the_installed_one_runs_the_kernels_asked_for(
    asked: Any, monkeypatch: pytest.MonkeyPatch, there: bool, name: str, reference: bool, kernels: str
) -> None:
    monkeypatch.setattr(choosing, "is_installed", lambda module: there and module == "ai_edge_litert")
    interpreter(b"TFL3", reference=reference, threads=1)
    options = {"model_content": b"TFL3", "num_threads": 1, "experimental_op_resolver_type": kernels}
    assert asked == [(name, options)]
