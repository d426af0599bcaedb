"""Article 004: a frozen backbone whose batch norm moves."""

from bakeoff.comparison.articles import Side, Switch

TITLE = {
    "en": "Transfer learning in TensorFlow: choose, freeze, train",
    "zh": "TensorFlow 迁移学习：选择、冻结、训练",
}
INTRO = {
    "en": "The article freezes Xception by calling it with `training=False`. In today's Keras that "
    "doesn't hold once the "
    "base is trainable: `fit` updates the running statistics of batch norm, and the frozen net isn't frozen.",
    "zh": "文章用 `training=False` 调用 Xception 来冻结它。在如今的 Keras 中，只要底层可训练，这样就不起作用："
    "`fit` 会更新批归一化的统计量，被冻结的网络并没有冻结。",
}
RECIPE = "cats-dogs-xception"
BASE = (
    "model.backbone=efficientnet_lite0",  # the article's Xception has its weights elsewhere
    "model.loss=softmax_cross_entropy",
    "input.size=[224,224]",
    "phases.0.epochs=3",
)
FAIR = Side("tensorflow", BASE)
OTHER = Side("tensorflow", (*BASE, "phases.0.batch_norm=train"))
SWITCHES = (
    Switch(
        "batch_norm",
        {
            "en": "batch norm of the frozen backbone: moves with each batch, the fair one stays",
            "zh": "冻结的主干网络中的批归一化：随每个批次变动；公平的一边保持不变",
        },
        ("phases.0.batch_norm=frozen",),
    ),
)
NOTES = {
    "en": (
        "The mechanism, on EfficientNet-lite0, whose weights are at hand, and on these pictures: not the "
        "article's figures.",
    ),
    "zh": ("这里在权重可得的 EfficientNet-lite0 和手头的图片上演示该机制，并非文章中的数字。",),
}
