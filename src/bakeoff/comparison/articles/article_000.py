"""Article 000: a CNN at 224 pixels on one's own pictures."""

from bakeoff.comparison.articles import EPSILON, START, Side

TITLE = {
    "en": "TensorFlow against PyTorch for transfer learning",
    "zh": "迁移学习：TensorFlow 与 PyTorch 的比较",
}
INTRO = {
    "en": "The article trains a CNN of 50 million parameters at 224 pixels on pictures of one's own, in "
    "Keras, and says that "
    "PyTorch does the same. Written there with the same lines, two defaults are others.",
    "zh": "文章用 Keras 在自己的图片上训练一个 224 像素、五千万参数的 CNN，并说 PyTorch 也一样。"
    "用 PyTorch 写出同样的代码时，有两个默认值不同。",
}
RECIPE = "cnn-224"
FAIR = Side("torch", ("model.arguments.start=torch", "phases.0.optimizer.epsilon=1e-8"))
OTHER = Side("tensorflow", ("model.arguments.start=keras", "phases.0.optimizer.epsilon=1e-7"))
SWITCHES = (
    START,
    EPSILON,
)
NOTES = {
    "en": (
        "A session of TensorFlow 1 is compared with eager PyTorch: today both have an eager and a compiled mode. "
        "`bakeoff compare` times them beside each other.",
        "Keras resizes without antialiasing, torchvision with it; both sides here get the same bytes. "
        "`bakeoff explain` "
        "shows what the filter does to a model.",
    ),
    "zh": (
        "文章把 TensorFlow 1 的会话与 PyTorch 的即时执行相比：如今两者都有即时与编译两种模式，"
        "`bakeoff compare` 会把它们放在一起计时。",
        "Keras 缩放时不做抗锯齿，torchvision 会做；这里两边得到同样的字节。`bakeoff explain` 可以显示缩放方式的影响。",
    ),
}
