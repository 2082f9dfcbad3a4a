"""The mobilenet student as an int8 TFLite file for whole windows."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
from builders.mobilenet import random_counts, random_mobilenet

from mcukd.errors import UserError

T, K = 50, 5
CLASSES = ("grazing", "resting", "walking", "drinking", "other")
#: What an interpreter on a microcontroller must know to run the file.
KERNELS = {"CONV_2D", "DEPTHWISE_CONV_2D", "HARD_SWISH", "FULLY_CONNECTED", "MEAN", "ADD", "MUL", "SOFTMAX"}


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def relative_error(found, expected):
    """Error of probabilities relative to how much they vary over windows: one for a file that says nothing.

    Random weights are a hard case: what rounding does to one layer, the forty after it pass on in full.
    """
    error = softmax(found) - softmax(expected)
    return np.sqrt(np.mean(error**2) / np.mean(softmax(expected).var(axis=0)))


@pytest.fixture(scope="module")
def student():
    """A student whose memory says something: random values differ too little to change a class."""
    model = random_mobilenet(T, K, slim=True, head="memory")
    memory = model.get_layer("memory")
    memory.log_beta.assign(0.5)
    memory.values.assign(memory.values * 6)
    return model


@pytest.fixture(scope="module")
def counts():
    return random_counts(160, T)


@pytest.fixture(scope="module")
def exported(student, counts, tmp_path_factory):
    from mcukd.tflite.window import export_window

    path = tmp_path_factory.mktemp("tflite") / "student_int8.tflite"
    return export_window(student, CLASSES, counts[:80], path)


@pytest.fixture(scope="module")
def alone(student, counts, tmp_path_factory):
    from mcukd.models.hopfield import without_intuition
    from mcukd.tflite.window import export_window

    path = tmp_path_factory.mktemp("tflite") / "alone_int8.tflite"
    return export_window(without_intuition(student), CLASSES, counts[:80], path)


@pytest.mark.parametrize("head", ["linear", "memory", "memory alone"])
def test_folded_float_graph_computes_what_keras_computes(student, counts, head):
    from mcukd.models.hopfield import without_intuition
    from mcukd.tflite.network import Network, build_graph, network_of

    model = random_mobilenet(T, K, slim=True) if head == "linear" else student
    if head == "memory alone":
        model = without_intuition(model)
    network = Network.from_stored(network_of(model).stored())
    assert (network.window, network.channels, network.classes) == (T, 3, K)
    assert network.output == ("probabilities" if head == "memory" else "logits")
    graph = build_graph(network)
    one = counts[:1].astype(np.float32)
    found = graph.run((one[:, None] - network.mean) / network.std)[network.output].numpy()
    found = np.log(found) if head == "memory" else found
    np.testing.assert_allclose(found, model(one).numpy(), atol=2e-4)


def test_every_tensor_is_an_integer_and_no_operation_is_flex_or_custom(exported, alone):
    from mcukd.tflite.window import WindowModel

    for result in (exported, alone):
        assert set(result.operations) == KERNELS
        assert WindowModel(result.path).float_tensors == []
        assert result.bytes == result.path.stat().st_size < 180_000
    # One HARD_SWISH for each, and nothing reshaped: operations as many as the architecture has.
    assert exported.operations.count("HARD_SWISH") == 14
    assert exported.operations.count("DEPTHWISE_CONV_2D") == 10
    assert len(exported.operations) == 87


def test_weights_of_each_channel_have_a_scale_of_their_own(exported):
    """Trap: folded batch normalizations make channels of different sizes; one scale does not resolve them."""
    from tensorflow.lite.python import schema_py_generated as schema

    graph = schema.ModelT.InitFromPackedBuf(bytearray(exported.path.read_bytes()), 0).subgraphs[0]
    scales = [len(t.quantization.scale) for t in graph.tensors if len(t.shape) == 4 and t.quantization]
    assert scales.count(112) >= 6


def test_probabilities_stay_near_those_of_the_float_student(student, exported, counts):
    from mcukd.tflite.window import evaluate_windows

    unseen = counts[80:]
    found, expected = evaluate_windows(exported.path, unseen), student(unseen.astype(np.float32)).numpy()
    assert relative_error(found, expected) < 0.6
    # Eighty windows of a random network: a share of .8 is known to within .05 only.
    assert np.mean(found.argmax(axis=1) == expected.argmax(axis=1)) > 0.7
    assert len(np.unique(expected.argmax(axis=1))) > 2


def test_a_rare_giant_does_not_make_the_steps_coarse(exported, student, counts, tmp_path):
    """Trap: one knock of the collar sets the range of the input, and every other sample gets a few steps."""
    from mcukd.tflite.window import export_window

    knocked = counts[:80].copy()
    knocked[7, 20, 0] = 32767
    again = export_window(student, CLASSES, knocked, tmp_path / "student_int8.tflite")
    assert again.input_scale < 1.1 * exported.input_scale
    giant = (32767 - 100) / np.sqrt(8e5)
    assert again.input_scale * 127 < giant / 5


@pytest.mark.parametrize("number", [1, 2, 7, 400])
def test_ends_are_those_of_all_values_sorted(number):
    from mcukd.tflite.convert import _Ends

    rng = np.random.default_rng(number)
    parts = [rng.standard_t(2, (4, 1, 10, 3)).astype(np.float32) for _ in range(20)]
    ends = _Ends(number)
    for part in parts:
        ends.add(part)
    together = np.sort(np.concatenate([part.ravel() for part in parts]))
    assert ends.range == (together[number - 1], together[-number])
    with pytest.raises(ValueError, match="not finite"):
        ends.add(np.array([np.nan], np.float32))


def test_a_tensor_that_is_mostly_one_value_keeps_its_whole_range():
    from mcukd.tflite.convert import _Ends

    ends = _Ends(3)
    ends.add(np.array([0, 0, 0, 0, 5], np.float32))
    assert ends.range == (0, 5)


def test_probabilities_of_the_file_sum_to_one_but_for_rounding(exported, counts):
    from mcukd.tflite.window import WindowModel

    model = WindowModel(exported.path)
    values = model.scores.values(model.run(counts[:20]))
    assert exported.output == "probabilities"
    np.testing.assert_allclose(values.sum(axis=1), 1, atol=0.02)


def test_memory_alone_gives_logits(student, alone, counts):
    from mcukd.models.hopfield import without_intuition
    from mcukd.tflite.window import evaluate_windows

    unseen = counts[80:]
    expected = without_intuition(student)(unseen.astype(np.float32)).numpy()
    found = evaluate_windows(alone.path, unseen)
    assert alone.output == "logits"
    assert relative_error(found, expected) < 0.6


def test_a_batch_gives_the_bits_of_one_window_at_a_time(exported, counts):
    from mcukd.tflite.window import WindowModel

    model = WindowModel(exported.path)
    together = model.run(counts[:6])
    one_by_one = np.concatenate([model.run(counts[n : n + 1]) for n in range(6)])
    assert np.array_equal(together, one_by_one)
    assert len(np.unique(together)) > 6


def test_a_file_for_windows_is_no_cell_and_says_so(exported, counts, tmp_path):
    from mcukd.tflite.evaluate import evaluate
    from mcukd.tflite.window import evaluate_windows

    with pytest.raises(UserError, match="takes whole windows"):
        evaluate(exported.path, counts)
    with pytest.raises(UserError, match="windows have shape"):
        evaluate_windows(exported.path, counts[:, :20])
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(exported.path.read_bytes()[:3000])
    with pytest.raises(UserError, match=r"damaged\.tflite"):
        evaluate_windows(damaged, counts)


def test_what_does_not_fit_is_refused_before_anything_is_written(student, counts, tmp_path):
    from mcukd.models.gru_mlp import build_student
    from mcukd.tflite.window import export_window

    path = tmp_path / "student.tflite"
    with pytest.raises(UserError, match="calibration windows"):
        export_window(student, CLASSES, counts[:, :20], path)
    with pytest.raises(UserError, match="class names"):
        export_window(student, CLASSES[:3], counts, path)
    with pytest.raises(UserError, match="not a mobilenet"):
        export_window(build_student(T, 3, K, np.zeros(3), np.ones(3)), CLASSES, counts, path)
    assert not path.exists()


def test_metadata_name_classes_and_standardisation(student, exported):
    pytest.importorskip("tensorflow_lite_support")
    import json

    from tensorflow_lite_support.metadata.python.metadata import MetadataDisplayer

    shown = MetadataDisplayer.with_model_file(str(exported.path))
    facts = json.loads(shown.get_metadata_json())["subgraph_metadata"][0]
    assert shown.get_associated_file_buffer("labels.txt").decode().split() == list(CLASSES)
    options = facts["input_tensor_metadata"][0]["process_units"][0]["options"]
    mean = np.asarray(student.get_layer("standardisation").mean).reshape(-1)
    np.testing.assert_allclose(options["mean"], mean, rtol=1e-6)
    assert facts["output_tensor_metadata"][0]["name"] == "probabilities"
