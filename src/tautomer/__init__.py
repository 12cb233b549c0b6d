"""Says whether a converted deep-learning model is still the same model."""
