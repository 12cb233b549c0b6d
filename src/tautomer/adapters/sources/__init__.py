"""Sources: what a model answers in its own precision and in exact arithmetic."""
