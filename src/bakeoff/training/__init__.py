"""Training: what it is asked (`job`), what it starts from (`setup`), the work, and the phases that it is made of."""
