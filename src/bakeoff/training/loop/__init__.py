"""The epoch loop, and what it keeps: order, schedule, metrics, checkpoints."""
