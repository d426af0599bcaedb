"""Whether a difference is one: of times measured in turns, and of accuracies on the same images."""
