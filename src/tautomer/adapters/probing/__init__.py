"""How a small model fails, in a fraction of a second: what the probes of all frameworks share."""
