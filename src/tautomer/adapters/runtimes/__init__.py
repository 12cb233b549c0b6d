"""Runtimes: each loads a converted model and runs it on the inputs of a check."""
