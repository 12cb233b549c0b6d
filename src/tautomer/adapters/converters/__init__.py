"""Converters: each turns a source into another format, step by step, reporting every checkpoint."""
