"""Devices to train on: the CPU with one thread per process, or a GPU."""

from __future__ import annotations

import os
import subprocess
import sys

from mcukd.errors import UserError

CPU, GPU = "cpu", "gpu"
DEVICES = (CPU, GPU)

COUNT_DEVICES = (
    "from mcukd.tensorflow_setup import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))"
)


def require_device(device: str) -> None:
    """Raise UserError where TensorFlow sees no such device; a process of its own checks and releases it."""
    if device == CPU:
        return
    asked = subprocess.run([sys.executable, "-c", COUNT_DEVICES], capture_output=True, text=True, check=False)
    if asked.stdout.strip() in ("", "0"):
        raise UserError(
            "--device gpu: TensorFlow sees no graphics card here; install its CUDA libraries (pip install "
            "'tensorflow[and-cuda]'), or leave --device out."
        )


def use_device(device: str) -> None:
    """Set TensorFlow up in this process, before it computes anything.

    On the CPU a single thread computes, so that results do not depend on the number of cores. Memory of a GPU
    is allocated as it is needed, because workers share it.
    """
    from mcukd.tensorflow_setup import tensorflow as tf

    if device == CPU:
        tf.config.set_visible_devices([], "GPU")
    for card in tf.config.get_visible_devices("GPU"):
        tf.config.experimental.set_memory_growth(card, True)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def usual_workers(device: str) -> int:
    """Return how many processes train at a time: one per core, or a single one on a GPU."""
    return (os.cpu_count() or 1) if device == CPU else 1
