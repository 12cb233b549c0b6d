"""TensorFlow programs: loaded, frozen, run node by node in both precisions, perturbed and traced."""
