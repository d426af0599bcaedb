"""Comparing frameworks: parity first, then speed and accuracy."""
