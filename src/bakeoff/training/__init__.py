"""Training: what it is asked (`job`), what it starts from (`setup`), the work, and the phases it is made of."""
