"""Registry of distillation methods, one file each: what `--method` chooses from. No TensorFlow here.

A method of another package registers itself: `METHODS.register(MyMethod())`, see `mcukd.plugins`.
"""

from __future__ import annotations

from mcukd.distillation.methods.function_matching import FunctionMatching
from mcukd.distillation.methods.memkd import MemKd
from mcukd.distillation.methods.method import Method
from mcukd.distillation.methods.online import Online
from mcukd.distillation.methods.plain import Plain
from mcukd.distillation.methods.smldist import SmlDist
from mcukd.distillation.methods.soft_labels import SoftLabels
from mcukd.distillation.methods.tsak import Tsak
from mcukd.plugins import Registry

#: The methods of mcukd itself, in the order in which help texts list them.
BUILT_IN = (SoftLabels(), SmlDist(), Tsak(), Online(), FunctionMatching(), MemKd(), Plain())
METHODS: Registry[Method] = Registry("distillation method", BUILT_IN)
