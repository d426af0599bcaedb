"""widen: more backbones under one head, where the validation images say that it is better; see `strategy`."""
