"""Article 001: a CNN on CIFAR-10 in Keras, beside what the same lines mean in PyTorch."""

from bakeoff.comparison.articles import EPSILON, START, Side, Switch

TITLE = {
    "en": "Duel in image recognition: TensorFlow against PyTorch",
    "zh": "图像识别对决：TensorFlow 与 PyTorch",
}
INTRO = {
    "en": "The article trains a CNN of 122,570 parameters on CIFAR-10 in Keras and judges it on the test "
    "set after every "
    "epoch. Written in PyTorch with the same lines, two defaults that no line shows are others.",
    "zh": "文章用 Keras 在 CIFAR-10 上训练一个 122,570 参数的 CNN，每轮都用测试集评估。"
    "用 PyTorch 写出同样的代码时，有两个代码中看不到的默认值不同。",
}
RECIPE = "cifar10-cnn"
FAIR = Side("torch", ("model.arguments.start=torch", "phases.0.optimizer.epsilon=1e-8"))
OTHER = Side("tensorflow", ("model.arguments.start=keras", "phases.0.optimizer.epsilon=1e-7", "phases.0.keep=best"))
SWITCHES = (
    START,
    EPSILON,
    Switch(
        "kept",
        {
            "en": "weights that are told of: of the best epoch, the other side has the last one's",
            "zh": "报告的权重：最好的一轮；另一边为最后一轮",
        },
        ("phases.0.keep=last",),
    ),
)
NOTES = {
    "en": (
        "A session of TensorFlow 1 against eager PyTorch: today both have an eager and a compiled mode. "
        "`bakeoff compare` times them beside each other.",
        "The article validates on the test set; here the best epoch is chosen on a validation set of its own.",
    ),
    "zh": (
        "TensorFlow 1 的会话与 PyTorch 的即时执行相比：如今两者都有即时与编译两种模式，"
        "`bakeoff compare` 会把它们放在一起计时。",
        "文章用测试集做验证；这里用单独的验证集选出最好的一轮。",
    ),
}
