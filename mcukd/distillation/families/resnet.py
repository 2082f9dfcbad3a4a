"""The residual network as a teacher."""

from mcukd.distillation.families.architecture import Architecture
from mcukd.models import resnet

TEACHER = Architecture(
    "resnet",
    lambda s, c, mean, variance: resnet.build_resnet(*s, mean, variance, c.teacher_width),
    lambda s, c: resnet.resnet_parameters(s.channels, s.classes, c.teacher_width),
    lambda s, c: resnet.resnet_macs_per_window(*s, c.teacher_width),
    uses_length_curriculum=True,
    options=("teacher_width",),
)
