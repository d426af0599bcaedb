"""Article 100: one side normalises its pixels."""

from bakeoff.comparison.articles import Side, Switch

TITLE = {"en": "A comparison of mine", "zh": "我的比较"}
INTRO = {"en": "One side normalises its pixels.", "zh": "一边做了归一化。"}
RECIPE = "mnist-mlp"
FAIR = Side("torch", ("input.mean=[0.5]", "input.std=[0.5]"))
OTHER = Side("torch", ("input.mean=[0.0]", "input.std=[1.0]"))
SWITCHES = (Switch("pixels", {"en": "pixels: 0 to 1", "zh": "像素：0 到 1"}, ("input.mean=[0.5]", "input.std=[0.5]")),)
NOTES = {"en": ("Nothing else.",), "zh": ("没有其他。",)}
