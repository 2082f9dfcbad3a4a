"""Architecture of the toy family: how the network is built and sized."""

from mcukd.distillation.families.architecture import Architecture
from toy_family.network import build

STUDENT = Architecture(
    "window-means",
    lambda shape, config, mean, variance: build(*shape, mean, variance),
    lambda shape, config: (shape.channels + 1) * shape.classes,
    lambda shape, config: shape.channels * shape.classes,
)
