"""What is counted and how sure it is: NumPy only, one metric a file."""
