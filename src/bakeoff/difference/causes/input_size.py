"""The size of a net's input, height and width."""

STAGE, KEYS = "resize", ("input.size",)
SAYS = "the input is {a} on one side and {b} on the other"
TORCH = "transforms.Resize({value}), transforms.CenterCrop({value})"
KERAS = "keras.utils.load_img(path, target_size={value})"
