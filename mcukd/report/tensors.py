"""Order of the tensors of integer models in tables and figures."""

from __future__ import annotations

from collections.abc import Iterable

_TENSORS = (
    *("input", "kernel_z", "kernel_r", "kernel_h", "recurrent_z", "recurrent_r", "recurrent_h"),
    *("pole", "fir1", "fir1_pre", "tanh", "fir2", "filtered"),
    *("scale_mean", "scale_passed", "scale_filtered", "features"),
    *("z_pre", "z", "r_pre", "r", "h_rec", "h_pre", "h_cand", "h", "dense", "dense_out", "output", "logits"),
)


def in_computation_order(tensors: Iterable[str]) -> list[str]:
    """Sort tensors as the computation meets them; unknown ones come last."""
    return sorted(tensors, key=lambda name: (_TENSORS.index(name) if name in _TENSORS else 99, name))
