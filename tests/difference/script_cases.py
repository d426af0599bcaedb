"""Planted differences of two plain scripts: {name: (edits as (side, old, new), the causes that must be named)}."""

from __future__ import annotations

from pathlib import Path

PAIR = Path(__file__).parent / "pair"
A, B = "train_torch.py", "train_keras.py"
Edit = tuple[str, str, str]

NORM_A = (A, "        self.dropout = nn", "        self.bn = nn.BatchNorm2d(8)\n        self.dropout = nn")
NORM_A2 = (A, "torch.relu(self.conv1(x))", "torch.relu(self.bn(self.conv1(x)))")
RATE = (B, "learning_rate=0.002", "learning_rate=0.02")
SCALE = (A, "images / 255.0", "images / 127.5 - 1.0")
DROPOUT = (B, "Dropout(0.2)", "Dropout(0.8)")
BATCHES = (
    B,
    "model.fit(x_train, y_train, batch_size=32, epochs=10, verbose=2)",
    "import tensorflow as tf\n"
    "data = tf.data.Dataset.from_tensor_slices((x_train, y_train)).batch(32).shuffle(1200)\n"
    "model.fit(data, epochs=10, verbose=2)",
)
LOOP = (
    B,
    "model.fit(x_train, y_train, batch_size=32, epochs=10, verbose=2)",
    "import tensorflow as tf\n"
    "data = tf.data.Dataset.from_tensor_slices((x_train, y_train)).shuffle(1200).batch(32)\n"
    "optimizer = keras.optimizers.Adam(learning_rate=0.002)\n"
    "loss_of = keras.losses.SparseCategoricalCrossentropy()\n"
    "@tf.function\n"
    "def step(images, target):\n"
    "    with tf.GradientTape() as tape:\n"
    "        value = loss_of(target, model(images))\n"
    "    gradients = tape.gradient(value, model.trainable_variables)\n"
    "    optimizer.apply_gradients(zip(gradients, model.trainable_variables))\n"
    "    return value\n"
    "for epoch in range(10):\n"
    "    for images, target in data:\n"
    "        value = step(images, target)\n"
    "    print(epoch, float(value))",
)

CASES: dict[str, tuple[list[Edit], list[str]]] = {
    "a rate ten times as large": ([RATE], ["learning_rate"]),
    "pixels from -1 to 1": ([SCALE], ["scale"]),
    "a softmax before CrossEntropyLoss": (
        [(A, "return self.fc2(torch.relu(self.fc1(x)))", "return torch.softmax(self.fc2(torch.relu(self.fc1(x))), 1)")],
        ["softmax_and_logits"],
    ),
    "logits taken for probabilities": (
        [(B, 'layers.Dense(10, activation="softmax")', "layers.Dense(10)")],
        ["softmax_and_logits"],
    ),
    "a summed loss": (
        [
            (A, "nn.CrossEntropyLoss()", 'nn.CrossEntropyLoss(reduction="sum")'),
            (A, "Adam(model.parameters(), lr=0.002, eps=1e-7)", "SGD(model.parameters(), lr=0.002)"),
            (B, "Adam(learning_rate=0.002)", "SGD(learning_rate=0.002)"),
        ],
        ["loss_reduction"],
    ),
    "dropout's rate inverted": ([DROPOUT], ["dropout_rate"]),
    "another batch size": ([(B, "batch_size=32", "batch_size=128")], ["batch_size"]),
    "no shuffle": ([(A, "batch_size=32, shuffle=True", "batch_size=32")], ["data_order"]),
    "batches are shuffled": ([BATCHES], ["data_order"]),
    "decay in the gradient and beside it": (
        [
            (A, "eps=1e-7", "eps=1e-7, weight_decay=0.1"),
            (B, "learning_rate=0.002", "learning_rate=0.002, weight_decay=0.1"),
        ],
        ["decay_coupling"],
    ),
    "decay on one side": (
        [(A, "Adam(model.parameters(), lr=0.002", "AdamW(model.parameters(), weight_decay=20.0, lr=0.002")],
        ["weight_decay"],
    ),
    "zero_grad is missing": ([(A, "        optimizer.zero_grad()\n", "")], ["gradients_kept"]),
    "eval() is missing": ([(A, "model.eval()\n", "")], ["evaluation_mode"]),
    "trained after eval()": ([(A, "    model.train()\n", "    model.eval()\n")], ["trained_in_eval_mode"]),
    "a loop without training=True": ([LOOP], ["trained_in_eval_mode"]),
    "SGD for Adam": ([(B, "Adam(learning_rate=0.002)", "SGD(learning_rate=0.002)")], ["optimizer"]),
    "divided by 255 twice": ([(A, "images / 255.0", "images / 255.0 / 255.0")], ["scaled_twice"]),
    "a schedule that steps too often": (
        [
            (
                A,
                "for epoch in range(10):",
                "scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)\nfor epoch in range(10):",
            ),
            (A, "        optimizer.step()\n", "        optimizer.step()\n        scheduler.step()\n"),
        ],
        ["schedule"],
    ),
    "label smoothing": (
        [(A, "nn.CrossEntropyLoss()", "nn.CrossEntropyLoss(label_smoothing=0.2)")],
        ["label_smoothing"],
    ),
    "momentum of BatchNorm inverted": (
        [
            NORM_A,
            NORM_A2,
            (
                B,
                'layers.Conv2D(8, 3, padding="same", activation="relu"),\n        layers.Conv2D',
                'layers.Conv2D(8, 3, padding="same"),\n        layers.BatchNormalization(momentum=0.1, epsilon=1e-5),\n'
                "        layers.ReLU(),\n        layers.Conv2D",
            ),
        ],
        ["batch_norm_momentum"],
    ),
    "predictions and labels of two shuffles": (
        [
            (
                B,
                "loss, accuracy = model.evaluate(x_test, y_test)",
                "import tensorflow as tf\n"
                "test = tf.data.Dataset.from_tensor_slices((x_test, y_test)).shuffle(600).batch(32)\n"
                "predicted = model.predict(test).argmax(1)\n"
                "actual = np.concatenate([np.array(target) for _, target in test])\n"
                "accuracy = (predicted[: len(actual)] == actual).mean()",
            )
        ],
        ["evaluation_labels"],
    ),
    "two: rate and pixels": ([RATE, SCALE], ["learning_rate", "scale"]),
    "three: rate, pixels, dropout": ([RATE, SCALE, DROPOUT], ["learning_rate", "scale", "dropout_rate"]),
}
SAME: dict[str, list[Edit]] = {
    "as they are": [],
    "other seeds": [(A, '"SEED", "0"', '"SEED", "5"'), (B, '"SEED", "1"', '"SEED", "7"')],
    "a loop of one's own": [(LOOP[0], LOOP[1], LOOP[2].replace("model(images)", "model(images, training=True)"))],
    "one-hot labels": [
        (B, "y_train = x[:1200], labels[:1200]", "y_train = x[:1200], np.eye(10)[labels[:1200]]"),
        (B, "y_test = x[1200:], labels[1200:]", "y_test = x[1200:], np.eye(10)[labels[1200:]]"),
        (B, "SparseCategoricalCrossentropy()", "CategoricalCrossentropy()"),
    ],
}


def edited(name: str, edits: list[Edit]) -> str:
    """The text of a script of the pair after those edits that are its own."""
    text = (PAIR / name).read_text(encoding="utf-8")
    for side, old, new in edits:
        if side == name:
            assert old in text, (name, old)
            text = text.replace(old, new)
    return text
