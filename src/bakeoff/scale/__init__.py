"""What a training would take with more workers, machines and images: measured unit costs, and a model of them."""
