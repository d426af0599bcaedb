"""finetune: the framework's own optimizer steps; `strategy.run` is what the phase does."""
