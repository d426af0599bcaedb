"""probe: a linear head on frozen features, each seen once; `strategy.run` is what the phase does."""
