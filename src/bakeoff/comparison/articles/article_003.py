"""Article 003: trained on pixels of 0 to 1, asked about pixels of -1 to 1."""

from bakeoff.comparison.articles import Side, Switch

TITLE = {
    "en": "Official models and data of one's own",
    "zh": "官方模型与自己的数据",
}
INTRO = {
    "en": "The article trains on pixels divided by 255 and then predicts a photo with the preprocessing "
    "of MobileNetV2, "
    "which gives -1 to 1: the net is asked about images that it never saw the like of.",
    "zh": "文章训练时把像素除以 255，预测照片时却用 MobileNetV2 的预处理，得到 -1 到 1：网络面对的是它从未见过的输入。",
}
RECIPE = "mnist-mlp"
FAIR = Side("tensorflow")
OTHER = Side("tensorflow")
SWITCHES = (
    Switch(
        "served",
        {
            "en": "pixels in prediction: -1 to 1, in training 0 to 1",
            "zh": "预测时的像素：-1 到 1；训练时 0 到 1",
        },
        ("input.mean=[0.5]", "input.std=[0.5]"),
        served=True,
    ),
)
NOTES = {
    "en": ("Both sides are the same net: what differs is how images are prepared once it is used.",),
    "zh": ("两边是同一个网络，不同的只是使用时图片的预处理。",),
}
