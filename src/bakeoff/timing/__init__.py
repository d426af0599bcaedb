"""Measuring time on a machine that does other things, too: turns forth and back, and what others took meanwhile."""
