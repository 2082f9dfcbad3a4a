"""Entry of the filter-MLP among the integer forms of student families."""

from mcukd.fixedpoint.families import IntegerForm
from mcukd.fixedpoint.filter_mlp.fitting import check_window
from mcukd.fixedpoint.filter_mlp.model import FilterMlpModel
from mcukd.fixedpoint.filter_mlp.quantize import quantize
from mcukd.fixedpoint.filter_mlp.reference import run, trace

INTEGERS = IntegerForm(FilterMlpModel, quantize, run, trace, check_window=check_window)
