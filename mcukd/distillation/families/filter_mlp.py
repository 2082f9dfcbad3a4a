"""The filter-MLP as a student and as a baseline."""

from mcukd.distillation.families.architecture import Architecture, TrainingDefaults
from mcukd.models import filter_mlp, filter_weights

STUDENT = Architecture(
    "filter-mlp",
    lambda s, c, mean, variance: filter_mlp.build_filter_mlp(*s, mean, variance),
    lambda s, c: filter_weights.filter_mlp_parameters(s.channels, s.classes),
    lambda s, c: filter_weights.filter_mlp_macs_per_window(*s),
    jit_compile=True,
    defaults=TrainingDefaults(40, 3e-2),
    least_steps=filter_weights.LEAST_WINDOW,
)
