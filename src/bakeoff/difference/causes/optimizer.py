"""The optimizer and its memory: SGD, Adam, RMSprop; momentum, betas."""

STAGE, WORLD, KEYS = (
    "optimizer",
    "train",
    (
        "train.optimizer",
        "train.momentum",
        "train.nesterov",
        "train.beta1",
        "train.beta2",
    ),
)
SAYS = "the optimizer is {a} on one side and {b} on the other"
TORCH = "torch.optim.Adam(model.parameters(), betas=(beta1, beta2))  # {value}; SGD has momentum, RMSprop alpha"
KERAS = "keras.optimizers.Adam(beta_1=..., beta_2=...)  # {value}; SGD has momentum, RMSprop rho"
