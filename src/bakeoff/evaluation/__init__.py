"""Predictions and scores: from logits to what is said of a model."""
