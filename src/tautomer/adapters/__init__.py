"""Adapters: what each source, converter and runtime needs, and the code that runs in their workers."""
