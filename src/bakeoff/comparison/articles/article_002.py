"""Article 002: one classifier of digits in PyTorch and in TensorFlow, called the same architecture."""

from bakeoff.comparison.articles import EPSILON, START, Side, Switch

TITLE = {
    "en": "Train a classifier in PyTorch and in TensorFlow",
    "zh": "分别用 PyTorch 和 TensorFlow 训练一个分类器",
}
INTRO = {
    "en": "The article trains a small CNN on MNIST in both frameworks, calls it the same architecture, "
    "and compares what "
    "both reach. The nets have 2,174 and 1,198 parameters, and five more choices differ.",
    "zh": "文章用两个框架在 MNIST 上训练一个小型 CNN，称其为相同的结构，并比较两者的准确率。"
    "两个网络分别有 2,174 和 1,198 个参数，另有五处选择不同。",
}
RECIPE = "mnist-cnn"
FAIR = Side(
    "torch",
    (
        "model.arguments.padding=same",
        "model.arguments.batch_norm=true",
        "model.arguments.start=torch",
        "phases.0.optimizer.epsilon=1e-8",
        "phases.0.schedule.name=constant",
        "phases.0.schedule.peak=0.01",
    ),
)
OTHER = Side(
    "tensorflow",
    (
        "model.arguments.padding=valid",
        "model.arguments.batch_norm=false",
        "model.arguments.start=keras",
        "input.mean=[0.0]",
        "input.std=[1.0]",
        "phases.0.batch_size=32",
        "phases.0.optimizer.epsilon=1e-7",
        "phases.0.schedule.name=constant",
        "phases.0.schedule.peak=0.001",
    ),
)
SWITCHES = (
    Switch(
        "padding",
        {"en": "padding: none, the other side pads by 1", "zh": "填充：无；另一边填充 1"},
        ("model.arguments.padding=same",),
    ),
    Switch(
        "batch_norm",
        {"en": "batch norm: none, the other side has two", "zh": "批归一化：无；另一边有两层"},
        ("model.arguments.batch_norm=true",),
    ),
    Switch(
        "rate",
        {"en": "learning rate: 0.001, the other side has 0.01", "zh": "学习率：0.001；另一边 0.01"},
        ("phases.0.schedule.peak=0.01",),
    ),
    Switch(
        "batch_size",
        {"en": "batch size: 32, the other side has 64", "zh": "批大小：32；另一边 64"},
        ("phases.0.batch_size=64",),
    ),
    Switch(
        "pixels",
        {"en": "pixels: 0 to 1, the other side has -1 to 1", "zh": "像素：0 到 1；另一边 -1 到 1"},
        ("input.mean=[0.5]", "input.std=[0.5]"),
    ),
    START,
    EPSILON,
)
NOTES = {
    "en": (
        "Softmax inside the net, with cross-entropy of probabilities, on one side and logits on the other: the same "
        "mathematics, so nothing is switched.",
        "One side validates on the test set; the test accuracies here are of the last epoch, chosen by nobody.",
    ),
    "zh": (
        "一边在网络内做 softmax 并对概率求交叉熵，另一边直接用 logits：数学上相同，因此没有对应的开关。",
        "一边用测试集做验证；这里的测试准确率一律取最后一轮，没有经过挑选。",
    ),
}
