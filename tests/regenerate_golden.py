"""Writes the golden files anew (`make golden`)."""

from test_codegen_model import GOLDEN, generate_model, random_model

generate_model(random_model(0, hidden=4, dense=4, steps=8), GOLDEN)
