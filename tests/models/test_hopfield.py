"""Memory head: its output, what is inherited, and what is dropped."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from mcukd.errors import UserError

E, P, K = 6, 9, 4


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def head(seed: int = 0, patterns: int = P, name: str = "head"):
    """A model that is the head alone, with random weights: biases and mixing begin at zero."""
    import keras

    from mcukd.models.hopfield import memory_head

    inputs = keras.Input((E,))
    model = keras.Model(inputs, memory_head(inputs, patterns, K), name=name)
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=np.shape(w)) for w in model.get_weights()])
    return model


def embeddings(rows: int = 20, scale: float = 1.0):
    return np.random.default_rng(9).normal(scale=scale, size=(rows, E)).astype(np.float32)


def expected(model, x):
    """Probabilities of memory, of intuition and of the mixture, in NumPy."""
    keys, values, log_beta = model.get_layer("memory").get_weights()
    kernel, bias = model.get_layer("intuition").get_weights()
    (mixing,) = model.get_layer("logits").get_weights()
    memory = softmax(softmax(np.exp(log_beta) * x @ keys.T) @ values)
    intuition = softmax(x @ kernel + bias)
    share = softmax(mixing)
    return memory, intuition, share[0] * memory + share[1] * intuition


def test_softmax_of_the_logits_is_the_mixture_and_a_second_one_is_not():
    """Trap: SMLDist's published code takes the softmax of what is a probability already."""
    model, x = head(), embeddings()
    logits = model(x).numpy()
    memory, intuition, mixture = expected(model, x)
    np.testing.assert_allclose(softmax(logits), mixture, atol=1e-6)
    np.testing.assert_allclose(np.exp(logits).sum(axis=1), 1, atol=1e-5)
    # The logits are no probabilities, and neither path alone is the mixture.
    assert logits.max() <= 1e-6 and np.abs(softmax(mixture) - mixture).max() > 0.1
    assert min(np.abs(memory - mixture).max(), np.abs(intuition - mixture).max()) > 0.05


def test_far_embeddings_give_finite_logits_and_gradients():
    import tensorflow as tf

    model, x = head(), tf.constant(embeddings(scale=1e4))
    with tf.GradientTape() as tape:
        logits = model(x)
        loss = -tf.reduce_mean(tf.nn.log_softmax(logits)[:, 0])
    gradients = tape.gradient(loss, model.trainable_variables)
    assert np.isfinite(logits.numpy()).all()
    assert all(np.isfinite(g.numpy()).all() for g in gradients)
    # An expert that is sure of a wrong class still teacher_outputs of it.
    assert np.abs(gradients[-1].numpy()).max() > 0


def test_a_stored_pattern_is_recalled():
    model = head()
    memory = model.get_layer("memory")
    keys, values = np.eye(P, E, dtype=np.float32) * 5, np.eye(P, K, dtype=np.float32) * 7
    memory.set_weights([keys, values, np.float32(3.0)])
    np.testing.assert_allclose(memory(keys[:K]).numpy(), values[:K], atol=1e-4)


def test_inverse_temperature_starts_at_one_over_the_root_of_the_length():
    import keras

    from mcukd.models.hopfield import HopfieldMemory

    layer = HopfieldMemory(P, K)
    layer(keras.ops.zeros((1, E)))
    assert np.exp(layer.log_beta.numpy()) == pytest.approx(E**-0.5)


def test_a_student_inherits_its_teachers_head():
    from mcukd.models.hopfield import inherit_head

    teacher, student, x = head(1), head(2, name="student"), embeddings()
    assert np.abs(student(x).numpy() - teacher(x).numpy()).max() > 0.1
    inherit_head(student, teacher)
    np.testing.assert_array_equal(student(x).numpy(), teacher(x).numpy())
    # Inherited, not shared: the teacher stays as it is when the student goes on learning.
    before = teacher(x).numpy()
    student.get_layer("memory").keys.assign(student.get_layer("memory").keys * 2)
    np.testing.assert_array_equal(teacher(x).numpy(), before)


def test_a_head_of_another_size_is_not_inherited_and_changes_nothing():
    from mcukd.models.hopfield import inherit_head

    student, x = head(2, name="student"), embeddings()
    before = student(x).numpy()
    with pytest.raises(UserError, match=r"student: its layer 'memory' has weights of shapes \[\(9, 6\)"):
        inherit_head(student, head(1, patterns=P + 1))
    np.testing.assert_array_equal(student(x).numpy(), before)


def test_without_intuition_the_memory_alone_decides():
    from mcukd.models.hopfield import has_memory, inherit_head, without_intuition

    model, x = head(), embeddings()
    alone = without_intuition(model)
    np.testing.assert_allclose(softmax(alone(x).numpy()), expected(model, x)[0], atol=1e-6)
    assert "intuition" not in {layer.name for layer in alone.layers}
    assert alone.layers[-1].name == "logits" and has_memory(alone)
    assert alone.count_params() == model.count_params() - (E + 1) * K - 2
    assert without_intuition(alone) is alone
    with pytest.raises(UserError, match="has no layer 'intuition'"):
        inherit_head(model, alone)


def test_a_linear_head_has_no_intuition_to_drop():
    import keras

    from mcukd.models.hopfield import without_intuition

    inputs = keras.Input((E,))
    with pytest.raises(UserError, match="no memory head"):
        without_intuition(keras.Model(inputs, keras.layers.Dense(K, name="logits")(inputs)))


@pytest.mark.parametrize("dropped", [False, True])
def test_a_saved_head_loads(tmp_path, dropped):
    import keras

    from mcukd.models.hopfield import without_intuition

    model, x = head(), embeddings()
    if dropped:
        model = without_intuition(model)
    model.save(tmp_path / "head.keras")
    loaded = keras.models.load_model(tmp_path / "head.keras", compile=False, safe_mode=True)
    np.testing.assert_array_equal(loaded(x).numpy(), model(x).numpy())


def test_memory_learns_what_no_linear_layer_can():
    """Exclusive or of two signs, from the memory alone."""
    import keras

    from mcukd.models.hopfield import HopfieldMemory

    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(256, 2)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    inputs = keras.Input((2,))
    model = keras.Model(inputs, HopfieldMemory(12, 2)(inputs))
    model.compile(keras.optimizers.Adam(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, epochs=20, batch_size=32, verbose=0)
    assert np.mean(np.argmax(model(x).numpy(), axis=1) == y) > 0.95
