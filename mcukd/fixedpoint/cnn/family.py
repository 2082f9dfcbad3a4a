"""Entry of the CNN among the integer forms of student families."""

from mcukd.fixedpoint.cnn.fitting import check_window
from mcukd.fixedpoint.cnn.model import CnnModel
from mcukd.fixedpoint.cnn.quantize import quantize
from mcukd.fixedpoint.cnn.reference import run, trace
from mcukd.fixedpoint.families import IntegerForm

INTEGERS = IntegerForm(CnnModel, quantize, run, trace, check_window=check_window)
