"""How many images make a step."""

STAGE, WORLD, KEYS = "data", "train", ("train.batch_size",)
SAYS = "a step has {a} images on one side and {b} on the other"
TORCH = "DataLoader(data, batch_size={value})"
KERAS = "model.fit(x, y, batch_size={value})  # 32 where nothing is said; dataset.batch({value})"
