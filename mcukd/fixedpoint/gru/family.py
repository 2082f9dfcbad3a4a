"""Entry of the GRU-MLP among the integer forms of student families."""

from mcukd.fixedpoint.families import IntegerForm
from mcukd.fixedpoint.gru.mixed import MIXED
from mcukd.fixedpoint.gru.model import GruMlpModel
from mcukd.fixedpoint.gru.qat import QAT
from mcukd.fixedpoint.gru.quantize import quantize
from mcukd.fixedpoint.gru.ranges import measure_ranges
from mcukd.fixedpoint.gru.reference import run, run_stream, trace

INTEGERS = IntegerForm(
    GruMlpModel,
    quantize,
    run,
    trace,
    run_stream=run_stream,
    gate_tables=True,
    mixed=MIXED,
    qat=QAT,
    ranges=measure_ranges,
)
