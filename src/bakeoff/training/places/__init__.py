"""Ways to start the workers of a training, a file each: `run(job, listen, arguments)` gives the first one's result."""
