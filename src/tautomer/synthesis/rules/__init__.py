"""Rules of types: what operators take and give, whatever framework they belong to."""
