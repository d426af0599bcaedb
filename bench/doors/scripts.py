"""Pairs of plain scripts in the articles' style, with differences planted: {name: (pair, edits, causes)}."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
T, K = "torch", "keras"  # the side that an edit is of
Edit = tuple[str, str, str]
SGD = [
    (T, "torch.optim.Adam(net.parameters(), lr=0.001)", "torch.optim.SGD(net.parameters(), lr=0.1)"),
    (K, 'optimizer="adam"', "optimizer=keras.optimizers.SGD(0.1)"),
]

PLANTED: dict[str, tuple[str, list[Edit], list[str]]] = {
    "a schedule of epochs that counts steps": (
        "cnn",
        [
            (T, "for epoch in", "scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)\n\nfor epoch in"),
            (T, '    print(f"epoch', '    scheduler.step()\n    print(f"epoch'),
            (K, "learning_rate=0.05", "learning_rate=tf.keras.optimizers.schedules.ExponentialDecay(0.05, 1, 0.5)"),
        ],
        ["schedule"],
    ),
    "the optimizer by its name": (
        "cnn",
        [(K, "tf.keras.optimizers.SGD(learning_rate=0.05, momentum=0.9)", '"adam"')],
        ["optimizer"],
    ),
    "gradients clipped on one side": (
        "cnn",
        [
            (
                T,
                "        optimizer.step()",
                "        nn.utils.clip_grad_norm_(model.parameters(), 0.1)\n        optimizer.step()",
            )
        ],
        ["clip"],
    ),
    "degrees for shares of a turn": (
        "cnn",
        [
            (
                T,
                "for images, labels in train_loader:",
                "for images, labels in train_loader:\n        images = rotate(images)",
            ),
            (
                T,
                "model = nn",
                "from torchvision import transforms\n\nrotate = transforms.RandomRotation(36)\nmodel = nn",
            ),
            (
                K,
                'model.add(layers.Conv2D(8, (3, 3), activation="relu", input_shape=(32, 32, 3)))',
                "model.add(layers.Input((32, 32, 3)))\nmodel.add(layers.RandomRotation(0.5))\n"
                'model.add(layers.Conv2D(8, (3, 3), activation="relu"))',
            ),
        ],
        ["augmentation"],
    ),
    "a softmax in the net and one in the loss": (
        "mlp",
        [*SGD, (T, "return self.out(x)", "return F.softmax(self.out(x), dim=1)")],
        ["softmax_and_logits"],
    ),
    "l2 and weight_decay": (
        "mlp",
        [
            *SGD,
            (T, "lr=0.1)", "lr=0.1, weight_decay=0.2)"),
            (
                K,
                'layers.Dense(64, activation="relu")',
                'layers.Dense(64, activation="relu", kernel_regularizer=keras.regularizers.L2(0.2))',
            ),
            (
                K,
                'layers.Dense(10, activation="softmax")',
                'layers.Dense(10, activation="softmax", kernel_regularizer=keras.regularizers.L2(0.2))',
            ),
        ],
        ["weight_decay"],
    ),
    "a frozen BatchNorm that moves": ("frozen", [(T, "    base.eval()\n", "")], ["batch_norm_frozen"]),
    "outputs [n, 1] less labels [n]": (
        "frozen",
        [
            (T, "loss_fn = nn.BCEWithLogitsLoss()", "loss_fn = nn.MSELoss()"),
            (T, "model(images).squeeze(1), labels", "model(images), labels"),
            (K, "keras.losses.BinaryCrossentropy(from_logits=True)", "keras.losses.MeanSquaredError()"),
        ],
        ["label_broadcast"],
    ),
    "an epsilon as a tutorial of Inception has it": (
        "norm",
        [(K, "learning_rate=0.01", "learning_rate=0.01, epsilon=0.1")],
        ["optimizer_epsilon"],
    ),
    "three: rate, batch and pixels of article 002": (
        "norm",
        [
            (K, "learning_rate=0.01", "learning_rate=0.001"),
            (K, '(data["x"] / 255.0 - 0.5) / 0.5', 'data["x"] / 255.0'),
            (T, "batch_size=32, shuffle=True", "batch_size=64, shuffle=True"),
        ],
        ["learning_rate", "batch_size", "scale"],
    ),
}
SAME: dict[str, tuple[str, list[Edit]]] = {
    "001 as it is": ("cnn", []),
    "001, other seeds": ("cnn", [(T, '"SEED", "0"', '"SEED", "7"'), (K, '"SEED", "1"', '"SEED", "11"')]),
    "003, a loop of indices and fit": ("mlp", [(T, "lr=0.001", "lr=0.001, eps=1e-7")]),
    "004, scaling inside and outside": ("frozen", []),
    "002, one-hot labels and softmax against logits": ("norm", []),
}


def text(pair: str, side: str, edits: list[Edit]) -> str:
    """A script of a pair after those edits that are its own."""
    found = (HERE / f"{pair}_{side}.py").read_text(encoding="utf-8")
    for whose, old, new in edits:
        if whose == side:
            assert old in found, (pair, side, old)
            found = found.replace(old, new)
    return found
