"""Methods of distillation, one file each; `METHODS` is what `--method` chooses from. No TensorFlow here."""

from __future__ import annotations

from mcukd.distill.methods.method import Method
from mcukd.distill.methods.mixed_view import MixedView
from mcukd.distill.methods.plain import Plain
from mcukd.distill.methods.same_view import SameView
from mcukd.distill.methods.smldist import SmlDist
from mcukd.distill.methods.soft_labels import SoftLabels
from mcukd.distill.methods.tsak import Tsak

METHODS: dict[str, Method] = {
    method.name: method for method in (SoftLabels(), SmlDist(), Tsak(), SameView(), MixedView(), Plain())
}
