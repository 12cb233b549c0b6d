"""Other spellings of TensorFlow operators that compute the same, put into a model's graph before it is converted."""
