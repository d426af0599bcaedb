"""What measures, kinds and reports count with: NumPy only, one idea a file."""
