"""A loss that is summed over the batch, or averaged: its gradients are as many times as large as there are images."""

STAGE, WORLD, KEYS = "loss", "train", ("train.reduction",)
SAYS = "losses of a batch are reduced by {a} on one side and {b} on the other"
TORCH = "nn.CrossEntropyLoss(reduction='{value}')"
KERAS = "keras.losses.SparseCategoricalCrossentropy(reduction='{value}')  # sum_over_batch_size is the mean"
