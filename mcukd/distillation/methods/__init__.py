"""Registry of distillation methods, one file each: what `--method` chooses from. No TensorFlow here."""

from __future__ import annotations

from mcukd.distillation.methods.method import Method
from mcukd.distillation.methods.mixed_view import MixedView
from mcukd.distillation.methods.plain import Plain
from mcukd.distillation.methods.same_view import SameView
from mcukd.distillation.methods.smldist import SmlDist
from mcukd.distillation.methods.soft_labels import SoftLabels
from mcukd.distillation.methods.tsak import Tsak

METHODS: dict[str, Method] = {
    method.name: method for method in (SoftLabels(), SmlDist(), Tsak(), SameView(), MixedView(), Plain())
}
