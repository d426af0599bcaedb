"""Search over the ranges of a recipe."""
