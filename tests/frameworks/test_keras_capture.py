"""Keras models as graphs: the same function in NumPy and in torch, the same numbers back, refusals by name."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import relative

from bakeoff.errors import ParityError, UnsupportedError, UsageError
from bakeoff.graph.interpreter import new_state, run, trace
from bakeoff.graph.serialize import to_json
from bakeoff.ops._dimension import Dim
from bakeoff.ops._page import Mode

pytestmark = pytest.mark.tensorflow

SMALL = (  # the others of keras_nets.py are in bench/census.py
    "beginner",
    "mnist_convnet",
    "cifar_tutorial",
    "vision_transformer",
    "encoded_patches",
    "mixer",
    "lenet",
    "zoo",
    "siamese",
    "resized",
    "activations",
    "norms",
    "operations",
    "transposed",
    "rows",
    "recurrent",
    "merged",
)


def randomised(model: Any, seed: int = 0) -> Any:
    """All variables drawn anew: scales and variances around 1, the rest small."""
    import keras

    rng = np.random.default_rng(seed)
    for variable in model.variables:
        name = variable.path.rsplit("/", 1)[-1]
        if "seed" in name or name == "count":
            continue
        values = rng.normal(size=variable.shape)
        if name in ("gamma", "moving_variance", "adapt_variance", "scale"):
            values = 1 + 0.4 * np.tanh(values)
        elif name == "kernel":
            values = values / np.sqrt(max(np.prod(variable.shape[:-1]), 1))
        else:
            values = 0.2 * values
        variable.assign(values)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
    return model


def array(variable: Any) -> Any:
    return variable.value.numpy()


def images(model: Any, limits: tuple[float, float], count: int = 3) -> Any:
    shape = tuple(20 if size is None else size for size in model.input_shape[1:])
    rng = np.random.default_rng(1)
    whole, noise = (rng.uniform(*limits, (count, *size)) for size in ((1,) * (len(shape) - 1) + shape[-1:], shape))
    return (0.7 * whole + 0.3 * noise).astype("float32")


@pytest.fixture(scope="module")
def made() -> dict[str, tuple[Any, Any, Any]]:
    """{name: (model, captured, images)}, each built once."""
    import keras_nets

    from bakeoff.frameworks._keras.capture import capture

    found = {}
    for name in SMALL:
        model, limits = keras_nets.NETS[name]()
        randomised(model)
        found[name] = (model, capture(model), images(model, limits))
    return found


def head_of(captured: Any, logits: Any) -> Any:
    if captured.head == "softmax":
        e = np.exp(logits - logits.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)
    return 1 / (1 + np.exp(-logits)) if captured.head else logits


# the same function ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_numpy_computes_what_keras_computes(made: Any, name: str) -> None:
    model, captured, x = made[name]
    expected = model(x, training=False).numpy()
    assert relative(head_of(captured, run(captured.graph, x)), expected) < 1e-5
    assert np.ptp(expected, axis=0).max() > 1e-3, "the net ignores its input"


def test_torch_computes_what_keras_computes(made: Any, tmp_path: Path) -> None:
    for name, (model, captured, x) in made.items():
        graph = captured.with_head()
        (tmp_path / f"{name}.json").write_text(json.dumps(to_json(graph)))
        np.savez(tmp_path / f"{name}.npz", **graph.arrays())
        np.savez(tmp_path / f"{name}.io.npz", x=x, y=model(x, training=False).numpy())
    done = subprocess.run([sys.executable, "-c", TORCH, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert set(found) == set(made)
    assert not {name: one for name, one in found.items() if one["difference"] > 3e-5}
    assert not {name: one for name, one in found.items() if not one["same_weights"]}
    counts = {n: sum(int(np.prod(v.shape)) for v in model.trainable_variables) for n, (model, _, _) in made.items()}
    assert {name: one["trainable"] for name, one in found.items()} == counts


TORCH = textwrap.dedent("""
    import copy, json, pickle, sys
    from pathlib import Path
    import numpy as np
    import torch
    from bakeoff.frameworks.torch.build import build
    from bakeoff.graph.serialize import from_json

    found = {}
    for path in sorted(Path(sys.argv[1]).glob("*.json")):
        graph = from_json(json.loads(path.read_text()), dict(np.load(path.with_suffix(".npz"))))
        built = build(graph)
        io = np.load(path.with_suffix(".io.npz"))
        x = torch.from_numpy(io["x"])
        x = x.permute(0, 3, 1, 2) if x.dim() == 4 else x
        net = pickle.loads(pickle.dumps(copy.deepcopy(built.module)))  # a plain module
        net.train().eval()
        with torch.no_grad():
            y = net(x).numpy()
        back = built.arrays()
        found[path.stem] = {
            "difference": float(np.abs(y - io["y"]).max() / np.abs(io["y"]).max()),
            "same_weights": all(np.array_equal(a, graph.parameters[p].array.astype(a.dtype)) for p, a in back.items()),
            "trainable": sum(p.numel() for p in net.parameters() if p.requires_grad),
        }
    print(json.dumps(found))
""")


def test_running_statistics_move_as_in_keras(made: Any) -> None:
    """Biased variance, Keras's momentum, frozen layers; on a copy, so that others find the model as it was."""
    import keras

    from bakeoff.frameworks._keras.capture import capture

    model = keras.models.clone_model(made["zoo"][0])
    model.set_weights(made["zoo"][0].get_weights())
    for layer in model._flatten_layers():
        if hasattr(layer, "rate"):
            layer.rate = 0.0
    captured, x = capture(model), made["zoo"][2]
    mode = Mode(train=True, mask=lambda shape, keep: np.ones(shape))
    silent = without_noise(captured.graph)
    expected = new_state(silent, trace(silent, x, mode), mode)
    model(x, training=True)
    found = {path: array(captured.variables[path]) for path in expected}
    assert len(found) == 6
    for path, state in expected.items():
        assert relative(state, found[path]) < 1e-5, path


def without_noise(graph: Any) -> Any:
    from bakeoff.graph.passes import without_noise as silent

    return silent(graph)


def test_one_graph_for_every_input_size() -> None:
    import keras
    from keras import layers as L

    from bakeoff.frameworks._keras.capture import capture

    x = inputs = keras.Input((None, None, 3))
    x = L.Conv2D(6, 3, strides=2, padding="same", activation="relu")(x)
    x = L.MaxPooling2D(3, strides=2, padding="same")(x)
    x = L.Conv2D(6, 1, strides=2, padding="same")(L.UpSampling2D(2)(x))
    model = randomised(keras.Model(inputs, L.Dense(4)(L.GlobalAveragePooling2D()(x))))
    graph = capture(model).graph
    assert graph.input_shape == (Dim("batch"), Dim("height"), Dim("width"), 3)
    for size in ((8, 8), (13, 10), (21, 7)):
        pixels = np.random.default_rng(0).normal(size=(2, *size, 3)).astype("float32")
        assert relative(run(graph, pixels), model(pixels).numpy()) < 1e-5


# names, heads, notes --------------------------------------------------------------------------------------------------


def test_paths_are_keras_names(made: Any) -> None:
    captured = made["siamese"][1]
    assert "enc.inner.conv2d_" in "".join(captured.graph.parameters) or "enc.inner.conv2d." in "".join(
        captured.graph.parameters
    )
    zoo = made["zoo"][1]
    assert {"train.kernel", "bn_a.offset", "shared.kernel"} <= set(zoo.graph.parameters)
    assert zoo.origins["bn_a.offset"].variable == "bn.a/beta"
    shared = [node for node in zoo.graph.nodes if node.path == "shared"]
    assert len(shared) == 2
    assert shared[0].parameters == shared[1].parameters


def test_the_head_is_split_off_and_comes_back(made: Any) -> None:
    assert {name: one[1].head for name, one in made.items() if one[1].head} == dict.fromkeys(
        ("mnist_convnet", "mixer", "lenet", "zoo", "siamese", "resized", "transposed", "rows"), "softmax"
    )
    model, captured, x = made["lenet"]
    assert list(captured.graph.outputs) == ["logits"]
    assert list(captured.with_head().outputs) == ["probabilities"]
    assert relative(run(captured.with_head(), x), model(x).numpy()) < 1e-5


def test_a_hidden_sigmoid_stays() -> None:
    import keras
    from keras import layers as L

    from bakeoff.frameworks._keras.capture import capture

    x = inputs = keras.Input((4, 4, 3))
    x = L.Dense(5, activation="sigmoid")(L.GlobalAveragePooling2D()(x))
    captured = capture(keras.Model(inputs, L.Dense(2)(x)))
    assert captured.head == ""
    assert any(node.op == "sigmoid" for node in captured.graph.nodes)


def test_penalties_are_noted(made: Any) -> None:
    assert [(p.l1, p.l2) for p in made["zoo"][1].graph.penalties] == [(0.0, 0.01)]


def test_frozen_layers_stay_frozen_and_an_ignored_flag_is_noted() -> None:
    import keras
    from keras import layers as L

    from bakeoff.frameworks._keras.capture import capture

    def around(trainable: bool) -> Any:
        base = keras.Sequential([keras.Input((6, 6, 3)), L.Conv2D(4, 3), L.BatchNormalization()], name="base")
        base.trainable = trainable
        inputs = keras.Input((6, 6, 3))
        return keras.Model(inputs, L.Dense(2)(L.GlobalAveragePooling2D()(base(inputs, training=False))))

    frozen, free = capture(around(False)), capture(around(True))
    statistics = [n.attributes.statistics for c in (frozen, free) for n in c.graph.nodes if n.op == "batch_norm"]
    assert statistics == ["frozen", "batch"]
    assert frozen.graph.count(trainable=True) == 4 * 2 + 2
    assert not frozen.notes[:-1]
    assert any("which Keras ignores" in note for note in free.notes)


# layers and models of the user's own ----------------------------------------------------------------------------------


def own_layers() -> dict[str, Any]:
    """Classes, by what they show."""
    import keras
    from keras import layers as L
    from keras import ops

    class Block(L.Layer):
        def __init__(self, filters: int) -> None:
            super().__init__()
            self.conv, self.norm, self.drop = L.Conv2D(filters, 3), L.BatchNormalization(), L.Dropout(0.2)

        def build(self, shape: Any) -> None:
            self.conv.build(shape)
            self.norm.build((*shape[:-1], self.conv.filters))
            self.gain = self.add_weight(shape=(self.conv.filters,), name="gain", initializer="ones")

        def call(self, x: Any, training: Any = None) -> Any:
            y = self.drop(self.norm(self.conv(x), training=training))
            return ops.relu(y) * self.gain + ops.mean(y, axis=(1, 2), keepdims=True)

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="net")
            self.blocks = [Block(4), Block(6)]
            self.pool, self.head = L.GlobalAveragePooling2D(), L.Dense(3, activation="softmax")

        def call(self, x: Any, training: bool = False) -> Any:
            for block in self.blocks:
                x = block(x, training=training)
            return self.head(self.pool(x))

    class Weighted(L.Layer):
        def build(self, shape: Any) -> None:
            self.w = self.add_weight(shape=(shape[-1],), name="w")

        def call(self, x: Any) -> Any:
            return x * self.w

    class Derived(Weighted):
        def call(self, x: Any) -> Any:
            return x * self.w + ops.sigmoid(self.w)

    class Assigns(Weighted):
        def call(self, x: Any) -> Any:
            self.w.assign(self.w + 1.0)
            return x * self.w

    class Random(L.Layer):
        def call(self, x: Any) -> Any:
            return x + keras.random.normal((1, 8, 8, 3))

    class Foreign(L.Layer):
        def call(self, x: Any) -> Any:
            import tensorflow as tf

            return tf.nn.relu(x)

    class Frozen(L.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.drop = L.BatchNormalization(), L.Dropout(0.3)

        def build(self, shape: Any) -> None:
            self.norm.build(shape)

        def call(self, x: Any) -> Any:
            return self.drop(self.norm(x, training=False))

    return {name: value for name, value in locals().items() if isinstance(value, type)}


def test_a_model_of_ones_own_is_read_from_its_code() -> None:
    from bakeoff.frameworks._keras.capture import capture, write_back

    made = own_layers()["Net"]
    x = np.random.default_rng(0).normal(size=(3, 9, 9, 3)).astype("float32")
    model, other = made(), made()
    model(x)
    other(x)
    expected = randomised(model, 0)(x).numpy()
    randomised(other, 1)(x)
    captured = capture(model)
    assert captured.head == "softmax"
    assert relative(run(captured.with_head(), x), expected) < 1e-5
    assert {"block.gain", "block.conv2d.kernel", "dense.kernel"} <= {
        re.sub(r"_\d+", "", path) for path in captured.graph.parameters
    }
    assert [node.op for node in captured.graph.nodes].count("dropout") == 2
    assert captured.graph.count(trainable=True) == sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert not model.blocks[0].conv._inbound_nodes
    write_back(captured, captured.graph.arrays(), other)
    assert np.array_equal(other(x).numpy(), expected)


def test_an_explicit_training_false_is_honoured_in_ones_own_code_and_by_what_follows() -> None:
    """As in Keras 3.15: the dropout after it doesn't act either."""
    import keras
    from keras import layers as L

    from bakeoff.frameworks._keras.capture import capture

    layer = own_layers()["Frozen"]()
    inputs = keras.Input((8, 8, 3))
    nodes = capture(keras.Model(inputs, L.Flatten()(layer(inputs)))).graph.nodes
    assert [node.op for node in nodes] == ["batch_norm", "flatten"]
    assert nodes[0].attributes.statistics == "frozen"
    out = layer(np.ones((2, 8, 8, 3), "float32"), training=True).numpy()
    assert (out != 0).all()
    assert (layer.norm.moving_mean.value.numpy() == 0).all()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Derived", "taken from its weights outside of keras.ops"),
        ("Assigns", "it assigns its variable w"),
        ("Random", "random numbers in prediction"),
        ("Foreign", "doesn't run on symbolic tensors"),
    ],
)
def test_code_that_a_trace_cannot_hold_is_refused(name: str, words: str) -> None:
    import keras
    from keras import layers as L

    from bakeoff.frameworks._keras.capture import capture

    layer = own_layers()[name]()
    layer.build((None, 8, 8, 3))
    inputs = keras.Input((8, 8, 3))
    if name == "Foreign":  # Keras itself can't put it into a functional model
        model = keras.Sequential([layer, L.Flatten()])
        model(np.ones((1, 8, 8, 3), "float32"))
    else:
        model = keras.Model(inputs, L.Flatten()(layer(inputs)))
    before = [array(variable) for variable in layer.variables]
    with pytest.raises(UnsupportedError, match=words):
        capture(model)
    for variable, value in zip(layer.variables, before, strict=True):
        assert np.array_equal(array(variable), value)


# preprocessing inside the model ---------------------------------------------------------------------------------------


def test_preprocessing_stays_in_the_graph_and_in_the_signature() -> None:
    import keras
    from keras import layers as L

    from bakeoff.frameworks._keras.capture import capture

    scale = L.Normalization()
    scale.adapt(np.random.default_rng(0).uniform(0, 255, (20, 5, 5, 3)).astype("float32"))
    inputs = keras.Input((5, 5, 3))
    model = keras.Model(inputs, L.Dense(2)(L.Flatten()(scale(inputs))))
    captured = capture(model)
    assert captured.graph.nodes[0].op == "normalization"
    assert captured.signature is not None
    assert captured.signature.std == pytest.approx((1 / 255,) * 3)
    assert {path.rsplit(".", 1)[-1] for path in captured.origins} == {"mean", "variance", "count", "kernel", "bias"}
    x = np.random.default_rng(1).uniform(0, 255, (2, 5, 5, 3)).astype("float32")
    assert relative(run(captured.graph, x), model(x).numpy()) < 1e-5


@pytest.mark.parametrize(
    ("source", "mean", "order"),
    [("MobileNetV2", 0.5, "RGB"), ("DenseNet121", 0.485, "RGB"), ("VGG16", 103.939 / 255, "BGR")],
)
def test_what_a_constructor_wants_is_measured(source: str, mean: float, order: str) -> None:
    import keras
    from keras import layers as L

    from bakeoff.frameworks._keras.capture import capture
    from bakeoff.preprocessing import normalize

    model = keras.Sequential([keras.Input((4, 4, 3)), L.Flatten(), L.Dense(2)])
    wanted = capture(model, source=source).signature
    assert wanted is not None
    assert (wanted.mean[0], wanted.channel_order) == (pytest.approx(mean), order)
    module = {"MobileNetV2": "mobilenet_v2", "DenseNet121": "densenet", "VGG16": "vgg16"}[source]
    x = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3)).astype("uint8")
    prepared = getattr(keras.applications, module).preprocess_input(x.astype("float32"))
    assert np.abs(normalize(x, wanted) - prepared).max() < 1e-5


# the way back ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_weights_come_back_bit_for_bit(made: Any, name: str) -> None:
    """Into a model that was built anew, whose layers Keras numbers differently."""
    import keras_nets

    from bakeoff.frameworks._keras.capture import write_back

    model, captured, x = made[name]
    other = randomised(keras_nets.NETS[name]()[0], seed=1)
    write_back(captured, captured.graph.arrays(), other)
    for mine, theirs in zip(model.weights, other.weights, strict=True):
        if "seed" not in mine.path:
            assert np.array_equal(array(mine), array(theirs)), mine.path
    assert np.array_equal(model(x, training=False).numpy(), other(x, training=False).numpy())


def test_numbers_of_another_architecture_are_refused(made: Any) -> None:
    from bakeoff.frameworks._keras.capture import write_back

    captured = made["lenet"][1]
    with pytest.raises(ParityError, match="another architecture"):
        write_back(captured, captured.graph.arrays(), made["mnist_convnet"][0])
    with pytest.raises(UsageError, match=r"conv2d\.kernal"):
        write_back(captured, {"conv2d.kernal": np.zeros(3)}, made["lenet"][0])


# padding --------------------------------------------------------------------------------------------------------------


def padded(padding: Any, after: Callable[[Any], Any]) -> Any:
    import keras
    from keras import layers as L

    from bakeoff.frameworks._keras.capture import capture

    inputs = keras.Input((8, 8, 3))
    x = after(L.ZeroPadding2D(padding)(inputs))
    model = randomised(keras.Model(inputs, L.Flatten()(x)))
    captured = capture(model)
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32") - 1  # a pad of 0 is larger than most
    assert relative(run(captured.graph, x), model(x).numpy()) < 1e-5
    return captured.graph


def test_padding_merges_only_where_it_says_the_same() -> None:
    from keras import layers as L

    def ops(graph: Any) -> list[str]:
        return [node.op for node in graph.nodes]

    assert ops(padded(1, L.Conv2D(2, 3, strides=2))) == ["conv2d", "flatten"]
    assert ops(padded(((0, 1), (0, 1)), L.Conv2D(2, 3, strides=2))) == ["pad", "conv2d", "flatten"]
    assert ops(padded(1, L.Conv2D(2, 3, padding="same"))) == ["pad", "conv2d", "flatten"]
    assert ops(padded(1, L.MaxPooling2D(3, strides=2))) == ["pad", "max_pool2d", "flatten"]
    shared = L.Conv2D(3, 3)
    twice = padded(1, lambda x: L.Conv2D(2, 3)(shared(shared(x))))
    assert ops(twice)[0] == "pad"


# refusals -------------------------------------------------------------------------------------------------------------


def refused() -> dict[str, tuple[Callable[[], Any], str]]:
    import keras
    from keras import layers as L

    def around(layer: Any, shape: tuple[int, ...] = (8, 8, 4)) -> Any:
        inputs = keras.Input(shape)
        return keras.Model(inputs, L.Flatten()(layer(inputs)))

    class Loses(L.Layer):
        def __init__(self, *, weight: bool = False, **settings: Any) -> None:
            super().__init__(**settings)
            self.scale = self.add_weight(shape=(), initializer="ones") if weight else None

        def call(self, x: Any) -> Any:
            self.add_loss(keras.ops.square(self.scale if self.scale is not None else keras.ops.mean(x)))
            return x if self.scale is None else x * self.scale

    class Conv2D(L.Conv2D):
        def call(self, inputs: Any) -> Any:
            return super().call(inputs) * 2

    class Own(keras.Model):
        def call(self, inputs: Any) -> Any:
            return inputs

    def replaced() -> Any:
        layer = L.ReLU(name="mine")
        model = around(layer)
        layer.call = lambda x: x * 2
        return model

    def first() -> Any:
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_float16")
        try:
            return around(L.Conv2D(2, 3, name="half"))
        finally:
            keras.config.set_dtype_policy(policy)

    def masked() -> Any:
        inputs = keras.Input((4, 3))
        weights = keras.ops.sum(inputs, axis=-1) > 0
        return keras.Model(inputs, L.GlobalAveragePooling1D(name="mean")(inputs, mask=weights))

    return {
        "lambda": (lambda: around(L.Lambda(lambda x: x / 2, name="halve")), "Lambda 'halve'"),
        "a subclass under Keras's name": (lambda: around(Conv2D(2, 3, name="c")), "Conv2D 'c': a layer of your own"),
        "a subclassed model": (Own, "Own 'own': a model of your own whose input size is not known"),
        "a replaced call": (replaced, "ReLU 'mine'"),
        "an activation of one's own": (lambda: around(L.Dense(2, activation=lambda x: x, name="d")), "Dense 'd'"),
        "channels first": (
            lambda: around(L.MaxPooling2D(2, data_format="channels_first", name="p")),
            "MaxPooling2D 'p': data_format='channels_first'",
        ),
        "mixed precision": (first, "half': it computes in mixed_float16"),
        "another axis": (lambda: around(L.BatchNormalization(axis=1, name="b")), "BatchNormalization 'b'"),
        "bicubic": (lambda: around(L.Resizing(4, 4, "bicubic", name="r")), "Resizing 'r'.*bicubic"),
        "a regularizer of one's own": (
            lambda: around(L.Dense(2, kernel_regularizer=lambda w: keras.ops.sum(w), name="d")),
            "Dense 'd': it has the regularizer <lambda>",
        ),
        "a term on a part": (
            lambda: around(lambda x: L.MultiHeadAttention(1, 2, activity_regularizer="l2", name="m")(x, x), (4, 3)),
            "MultiHeadAttention 'm': its part query has an activity regularizer",
        ),
        "a term on the probabilities": (
            lambda: keras.Model(x := keras.Input((3,)), L.Dense(2, "softmax", activity_regularizer="l2")(x)),
            "its loss has a term on what the last softmax gives",
        ),
        "add_loss": (lambda: around(Loses(name="l")), "Loses 'l': a layer of your own; it calls add_loss"),
        "add_loss of a weight": (lambda: around(Loses(weight=True, name="l")), "it calls add_loss"),
        "a layer without a page": (lambda: around(L.SimpleRNN(3, name="g"), (8, 4)), "SimpleRNN 'g'"),
        "an operation without a page": (
            lambda: around(lambda x: keras.ops.arctan2(x, x + 1)),
            "Arctan2 'arctan2.*': no operator knows ops.Arctan2",
        ),
        "the batch reshaped": (lambda: around(lambda x: keras.ops.reshape(x, (8, 8, 4, -1))), "Reshape 'reshape"),
        "a mask": (masked, "Greater|mean"),
        "training=True": (lambda: around(lambda x: L.Dropout(0.5, name="d")(x, training=True)), "Dropout 'd'"),
        "an unbuilt model": (lambda: keras.Sequential([L.Dense(3)], name="s"), "'s': it is not built"),
        "two inputs": (
            lambda: keras.Model([a := keras.Input((3,)), b := keras.Input((3,))], L.Add()([a, b])),
            "2 inputs and 1 outputs",
        ),
    }


REFUSED = (
    "lambda",
    "a subclass under Keras's name",
    "a subclassed model",
    "a replaced call",
    "an activation of one's own",
    "channels first",
    "mixed precision",
    "another axis",
    "bicubic",
    "a regularizer of one's own",
    "a term on a part",
    "a term on the probabilities",
    "add_loss",
    "add_loss of a weight",
    "a layer without a page",
    "an operation without a page",
    "the batch reshaped",
    "a mask",
    "training=True",
    "an unbuilt model",
    "two inputs",
)


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_rule_is_refused_by_name(case: str) -> None:
    from bakeoff.frameworks._keras.capture import capture

    make, words = refused()[case]
    with pytest.raises(UnsupportedError, match=words) as caught:
        capture(make())
    assert 2 <= len(str(caught.value).splitlines()) <= 3


def test_every_refusal_is_tried() -> None:
    assert set(refused()) == set(REFUSED)


def test_a_model_whose_layers_are_not_built_is_refused_and_stays_so() -> None:
    import keras

    from bakeoff.frameworks._keras.capture import capture

    class Shell(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.pool, self.head = keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(4)

        def call(self, x: Any) -> Any:
            return self.head(self.pool(x))

    model = Shell()
    with pytest.warns(UserWarning, match="unbuilt state"):
        model.build((None, 8, 8, 3))
    with pytest.raises(UnsupportedError, match=r"its layer dense\w* is not built.\nCall the model"):
        capture(model)
    assert model.variables == []
