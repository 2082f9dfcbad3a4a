"""The CNN as a student."""

from mcukd.distillation.families.architecture import Architecture, TrainingDefaults
from mcukd.models import cnn, cnn_weights

STUDENT = Architecture(
    "cnn",
    lambda s, c, mean, variance: cnn.build_cnn(*s, mean, variance, c.cnn_filters, c.dense_units),
    lambda s, c: cnn_weights.cnn_parameters(
        cnn_weights.convolutions(s.steps, c.cnn_filters), s.channels, s.classes, c.dense_units
    ),
    lambda s, c: cnn_weights.cnn_macs(cnn_weights.convolutions(s.steps, c.cnn_filters), *s, c.dense_units),
    defaults=TrainingDefaults(40, 5e-3),
    # Like a GRU, it underfits long windows in 40 epochs (docs/experiments/cnn.md).
    long_defaults=TrainingDefaults(160, 5e-3),
    least_steps=24,
    options=("cnn_filters", "dense_units"),
)
