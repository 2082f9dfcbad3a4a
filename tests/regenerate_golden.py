"""Script that rewrites the golden files (`make golden`)."""

import tempfile
from pathlib import Path

from builders.cnn import cnn_model
from builders.places import GOLDEN
from builders.students import KINDS, STREAMS, headed_model, random_model, streamed_model

from mcukd.codegen.firmware import generate_model, generate_stream

generate_model(random_model(0, hidden=4, dense=4, steps=8), GOLDEN)
others = {kind: headed_model(kind, hidden=4, steps=8) for kind in KINDS}
others["cnn"] = cnn_model(0, filters=2, steps=24)
for name, model in others.items():
    # Only what a kind of head, or another family, changes.
    (GOLDEN / name).mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for file in generate_model(model, Path(scratch) / "model"):
            if file.stem == "mcukd_model":
                (GOLDEN / name / file.name).write_bytes(file.read_bytes())
for name, files in STREAMS.items():
    (GOLDEN / name).mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for file in generate_stream(streamed_model(name), Path(scratch) / "model", "m3"):
            if file.name in files:
                (GOLDEN / name / file.name).write_bytes(file.read_bytes())
