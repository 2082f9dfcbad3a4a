"""Settings of TensorFlow: independent of the user's environment and keras.json."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders.places import ROOT

HOSTILE = {"floatx": "float64", "epsilon": 1e-3, "backend": "torch", "image_data_format": "channels_first"}
ENVIRONMENT = {
    "KERAS_BACKEND": "jax",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "XLA_FLAGS": "--xla_cpu_enable_fast_math=true",
    "TF_XLA_FLAGS": "--tf_xla_auto_jit=2",
    "TF_USE_LEGACY_KERAS": "1",
    "TF2_BEHAVIOR": "0",
    "KERAS_MAX_EPOCHS": "1",
}
#: Trains a small network for a few steps and prints its weights.
TRAIN = """
import hashlib, json
import numpy as np
from mcukd.parallel.processes import silence_native_log
silence_native_log()
from mcukd.tensorflow_setup import keras, tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
keras.utils.set_random_seed(3)
draw = np.random.default_rng(0)
counts = draw.normal(size=(64, 24, 3)).astype(np.float32)
labels = draw.integers(0, 3, 64)
layers = keras.layers
model = keras.Sequential([
    keras.Input((24, 3)), layers.Conv1D(8, 5), layers.BatchNormalization(), layers.ReLU(),
    layers.GlobalAveragePooling1D(), layers.Dense(3, "softmax"),
])
model.compile("adam", "sparse_categorical_crossentropy", jit_compile=True)
model.fit(counts, labels, epochs=3, batch_size=16, verbose=0)
digest = hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights()))
print(json.dumps([digest.hexdigest(), str(model.get_weights()[0].dtype), keras.config.image_data_format()]))
"""


def run(code: str, home: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KERAS_", "TF_"))}
    return subprocess.run(
        [sys.executable, "-c", code], env={**clean, "HOME": str(home), **settings}, cwd=home,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def home_with(folder: Path, keras_json: str) -> Path:
    (folder / ".keras").mkdir(parents=True)
    (folder / ".keras" / "keras.json").write_text(keras_json)
    return folder


def test_the_same_weights_whatever_the_user_has_set(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    plain = run(TRAIN, tmp_path / "plain")
    assert plain.returncode == 0, plain.stderr
    assert json.loads(plain.stdout)[1:] == ["float32", "channels_last"]
    assert not (tmp_path / "plain" / ".keras").exists(), "the user's folder is left alone"
    hostile = run(TRAIN, home_with(tmp_path / "hostile", json.dumps(HOSTILE)), **ENVIRONMENT)
    assert hostile.stdout == plain.stdout, hostile.stderr
    assert plain.stderr == hostile.stderr == "", "TensorFlow starts without a word"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keras_json", "settings"),
    [
        *((None, {"KERAS_BACKEND": name}) for name in ("torch", "theano", "numpy", "")),
        *((None, {name: value}) for name, value in ENVIRONMENT.items()),
        (None, {"TF_ENABLE_ONEDNN_OPTS": "0"}),
        *((json.dumps({name: value}), {}) for name, value in HOSTILE.items()),
        ('{"floatx": "float16"}', {}),
        ('{"floatx": "int8", "backend": "nonsense"}', {}),
        ("[1, 2", {}),
    ],
)
def test_each_setting_by_itself(tmp_path: Path, keras_json, settings) -> None:
    (tmp_path / "plain").mkdir()
    home = tmp_path / "plain" if keras_json is None else home_with(tmp_path / "home", keras_json)
    found = run(TRAIN, home, **settings)
    assert found.stdout == run(TRAIN, tmp_path / "plain").stdout, found.stderr


@pytest.mark.parametrize(
    ("before", "settings", "words"),
    [
        ("keras.config.set_floatx('float64')", {}, "float type float64, expected float32"),
        ("keras.mixed_precision.set_global_policy('mixed_float16')", {}, "dtype policy mixed_float16"),
        ("keras.config.set_image_data_format('channels_first')", {}, "data format channels_first"),
        ("keras.config.set_epsilon(0.001)", {}, "epsilon 0.001"),
        ("keras.config.set_max_epochs(1)", {}, "limit of epochs 1, expected none"),
    ],
)
def test_keras_set_up_otherwise_in_a_notebook_is_one_sentence(before, settings, words, monkeypatch) -> None:
    import keras

    from mcukd import tensorflow_setup
    from mcukd.errors import UserError

    kept = (
        keras.config.floatx(),
        keras.config.dtype_policy(),
        keras.config.image_data_format(),
        keras.config.epsilon(),
    )
    try:
        exec(before, {"keras": keras})
        with pytest.raises(UserError, match=words.replace(".", r"\.")) as caught:
            tensorflow_setup.keras  # noqa: B018
        assert "call keras.config.set_" in str(caught.value)
    finally:
        keras.config.set_floatx(kept[0])
        keras.config.set_dtype_policy(kept[1])
        keras.config.set_image_data_format(kept[2])
        keras.config.set_epsilon(kept[3])
        keras.config.set_max_epochs(None)
    assert tensorflow_setup.keras is keras


def test_keras_of_another_backend_in_a_notebook_is_one_sentence(monkeypatch) -> None:
    import keras

    from mcukd import tensorflow_setup
    from mcukd.errors import UserError

    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(UserError, match="backend jax, expected tensorflow.*set KERAS_BACKEND=tensorflow"):
        tensorflow_setup.keras  # noqa: B018


def test_tensorflow_that_computes_with_onednn_is_one_sentence(tmp_path: Path) -> None:
    code = (
        "import tensorflow as tf; tf.linalg.matmul(tf.ones((8, 8)), tf.ones((8, 8)))\n"
        "from tensorflow.python.util._pywrap_util_port import IsMklEnabled\n"
        "if not IsMklEnabled(): raise SystemExit(77)\n"
        "from mcukd.errors import UserError\n"
        "try: from mcukd.tensorflow_setup import keras\n"
        "except UserError as error: print(error)"
    )
    found = run(code, tmp_path, TF_ENABLE_ONEDNN_OPTS="1")
    if found.returncode == 77:
        pytest.skip("this TensorFlow has no oneDNN")
    assert found.stdout.startswith("TensorFlow already computes with oneDNN"), found.stderr
    assert found.stdout.count("\n") == 1


def _imports(tree: ast.AST):
    """Yield imports with their line, those for type checkers left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from ((name.name, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.lineno
        yield from _imports(node)


def test_nobody_else_imports_keras_or_tensorflow() -> None:
    others = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / "mcukd").rglob("*.py"))
        if path.name != "tensorflow_setup.py"
        for name, line in _imports(ast.parse(path.read_text(encoding="utf-8")))
        if name.partition(".")[0] in ("keras", "tensorflow", "tf_keras")
    ]
    assert others == [], "take them from mcukd.tensorflow_setup"


def test_the_manifest_holds_the_settings(tmp_path: Path) -> None:
    from mcukd.study import Study

    study = Study.create(tmp_path / "run", "herd-sim", 0)
    assert json.loads(study.file("study.json").read_text())["settings"] == {
        "backend": "tensorflow",
        "floatx": "float32",
        "image_data_format": "channels_last",
        "epsilon": 1e-7,
        "onednn": False,
    }


def test_doctor_names_the_settings_that_are_not_followed(tmp_path: Path, monkeypatch) -> None:
    from mcukd import doctor

    monkeypatch.setattr(doctor, "overridden", {"TF_ENABLE_ONEDNN_OPTS": "1"})
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.setenv("TF2_BEHAVIOR", "1")  # as TensorFlow leaves it
    (sentence,) = doctor.not_followed()
    assert sentence.startswith("TF_ENABLE_ONEDNN_OPTS=1: ignored")
    (tmp_path / "keras.json").write_text('{"floatx": "float32", "epsilon": 1e-07}')
    assert doctor.not_followed() == [sentence]
    (tmp_path / "keras.json").write_text('{"floatx": "float16", "backend": "tensorflow"}')
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("XLA_FLAGS", "--x")
    said = [sentence.partition(":")[0] for sentence in doctor.not_followed()]
    file = f"{tmp_path / 'keras.json'} (floatx float16)"
    assert said == ["KERAS_BACKEND=jax", "TF_ENABLE_ONEDNN_OPTS=1", "XLA_FLAGS=--x", file]


def test_the_import_leaves_the_collector_and_other_packages_as_they_were(tmp_path: Path) -> None:
    code = """
import gc, sys
from mcukd.tensorflow_setup import keras, tensorflow
assert gc.isenabled() and "sklearn" not in sys.modules and "matplotlib" not in sys.modules
import matplotlib.pyplot, sklearn.metrics
print(keras.utils.set_random_seed(3))
"""
    found = run(code, tmp_path)
    assert found.returncode == 0 and found.stdout == "None\n", found.stderr
