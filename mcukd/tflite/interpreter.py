"""Interpreter of TFLite files: that of the package ai-edge-litert where it is installed, else TensorFlow's.

TensorFlow's own announces its end; both run the same reference kernels.
"""

from __future__ import annotations

import warnings
from typing import Any

from mcukd.extras import is_installed


def interpreter(content: bytes, *, reference: bool, threads: int | None = None) -> Any:
    """Return an interpreter of a file's bytes, its tensors not yet allocated.

    reference: run the reference kernels, which give the bits of TensorFlow Lite Micro, or otherwise the
    desktop's default kernels (XNNPACK). Raises ValueError or RuntimeError where the file is damaged.
    """
    if is_installed("ai_edge_litert"):
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    else:
        from mcukd.tensorflow_setup import tensorflow as tf

        Interpreter, OpResolverType = tf.lite.Interpreter, tf.lite.experimental.OpResolverType
    kernels = OpResolverType.BUILTIN_REF if reference else OpResolverType.AUTO
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # announces the interpreter's move to a package of its own
        return Interpreter(model_content=content, num_threads=threads, experimental_op_resolver_type=kernels)
