"""Formats, strict comparison, envelopes and the judge. Knows tensors; knows nothing of adapters or workers."""
