"""Measuring time on a machine that does other things, too: turns forth and back, and what else was at work meanwhile."""
