"""What a Keras layer does in training alone: named with its place and its effect, while all that it holds trains."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from harness import relative

from bakeoff.graph.interpreter import run

pytestmark = [pytest.mark.tensorflow, pytest.mark.filterwarnings("ignore:.build... was called on layer.*:UserWarning")]
SIZE = (12, 12)


@cache
def own() -> Any:
    """Layers and models of one's own, by what they do in training."""
    import keras
    from keras import layers as L
    from keras import ops

    class Noise(L.Layer):
        def __init__(self, **more: Any) -> None:
            super().__init__(**more)
            self.seed = keras.random.SeedGenerator(1)

        def call(self, x: Any, training: bool = False) -> Any:
            return x * keras.random.gamma(ops.shape(x), 9.0, seed=self.seed) / 9 if training else x

    class Cooled(L.Layer):
        def call(self, x: Any, training: bool = False) -> Any:
            return x if training else x / 2

    class Mixed(L.Layer):
        def call(self, x: Any, training: bool = False) -> Any:
            return 0.7 * x + 0.3 * ops.flip(x, 0) if training else x

    class Mean(L.Layer):
        """Keeps a mean of what it saw, and takes it off."""

        def build(self, shape: Any) -> None:
            self.mean = self.add_weight(shape=(shape[-1],), initializer="zeros", trainable=False, name="mean")

        def call(self, x: Any, training: bool = False) -> Any:
            if training:
                self.mean.assign(0.9 * self.mean + 0.1 * ops.mean(x, (0, 1, 2)))
            return x - self.mean

    class Counter(L.Layer):
        def build(self, shape: Any) -> None:
            self.calls = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False, name="calls")

        def call(self, x: Any, training: bool = False) -> Any:
            if training:
                self.calls.assign_add(1)
            return x

    class Loss(L.Layer):
        def call(self, x: Any, training: bool = False) -> Any:
            if training:
                self.add_loss(0.01 * ops.mean(ops.square(x)))
            return x

    class Block(L.Layer):
        """Mixes the images of a batch; what it holds trains."""

        def __init__(self, **more: Any) -> None:
            super().__init__(**more)
            self.norm, self.drop = L.BatchNormalization(), L.Dropout(0.25)

        def build(self, shape: Any) -> None:
            self.norm.build(shape)

        def call(self, x: Any, training: bool = False) -> Any:
            if training:
                x = 0.5 * (x + ops.flip(x, 0))
            return self.drop(self.norm(x, training=training), training=training)

    class Inherits(Block):
        """The same, whose layers are left to find out whether they train."""

        def call(self, x: Any, training: bool = False) -> Any:
            return self.drop(self.norm(0.5 * (x + ops.flip(x, 0)) if training else x))

    class Augmented(keras.Model):
        """Layers that are called in training alone."""

        def __init__(self, **more: Any) -> None:
            super().__init__(**more)
            self.front = keras.Sequential([L.RandomFlip(), L.RandomContrast(0.2)], name="front")
            self.conv, self.norm, self.drop = L.Conv2D(6, 3), L.BatchNormalization(), L.Dropout(0.25)
            self.pool, self.head = L.GlobalAveragePooling2D(), L.Dense(5)

        def call(self, x: Any, training: bool = False) -> Any:
            if training:
                x = self.front(x, training=True)
            x = self.norm(self.conv(x), training=training)
            return self.head(self.drop(self.pool(x), training=training))

    class Auxiliary(keras.Model):
        """Two heads in training, the second of them in training alone."""

        def __init__(self, **more: Any) -> None:
            super().__init__(**more)
            self.conv, self.norm, self.drop = L.Conv2D(6, 3), L.BatchNormalization(), L.Dropout(0.25)
            self.pool, self.head, self.aux = L.GlobalAveragePooling2D(), L.Dense(5), L.Dense(5, name="aux")

        def build(self, shape: Any) -> None:
            for layer, width in ((self.conv, 3), (self.norm, 6), (self.head, 6), (self.aux, 6)):
                layer.build((None, None, None, width) if layer in (self.conv, self.norm) else (None, width))
            self._build_shapes_dict = {"input_shape": shape}

        def call(self, x: Any, training: bool = False) -> Any:
            x = self.pool(self.norm(self.conv(x), training=training))
            logits = self.head(self.drop(x, training=training))
            return (logits, self.aux(x)) if training else logits

    return {name: kind for name, kind in locals().items() if isinstance(kind, type)}


def net(*middle: Any) -> Any:
    import keras
    from keras import layers as L

    keras.utils.set_random_seed(0)
    first = [keras.Input((*SIZE, 3)), L.Conv2D(6, 3, name="conv"), L.BatchNormalization(name="norm")]
    return keras.Sequential([*first, *middle, L.GlobalAveragePooling2D(), L.Dropout(0.25), L.Dense(5, name="head")])


def layer(kind: str, *given: Any, **more: Any) -> Any:
    import keras

    return getattr(keras.layers, kind)(*given, **more)


def called(name: str) -> Any:
    model = own()[name]()
    model(np.zeros((2, *SIZE, 3), "float32"))
    return model


CASES: dict[str, tuple[Any, str, tuple[str, ...], str]] = {
    "flips and contrast": (
        lambda: net(layer("RandomFlip", name="flip"), layer("RandomContrast", 0.2, name="contrast")),
        "augmentation", ("contrast", "flip"), "changes images (RandomContrast, RandomFlip)"),
    "spectral norm": (
        lambda: net(layer("SpectralNormalization", layer("Conv2D", 6, 3), name="sn")),
        "state", ("sn",), "changes its kernel, vector_u"),
    "noise of one's own": (lambda: net(own()["Noise"](name="own")), "noise", ("own",), "draws random numbers"),
    "a running mean": (lambda: net(own()["Mean"](name="own")), "state", ("own",), "its mean"),
    "a counter": (lambda: net(own()["Counter"](name="own")), "state", ("own",), "its calls"),
    "a term of the loss": (lambda: net(own()["Loss"](name="own")), "loss", ("own",), "adds to the loss"),
    "augmentation of its own": (
        lambda: called("Augmented"),
        "augmentation", ("front.random_contrast", "front.random_flip"), "changes images (RandomContrast, RandomFlip)"),
    "two outputs": (lambda: called("Auxiliary"), "outputs", ("auxiliary",), "gives 2 outputs"),
}  # fmt: skip
HELD: dict[str, Any] = {
    "a temperature": lambda: net(own()["Cooled"](name="own")),
    "mixed images": lambda: net(own()["Mixed"](name="own")),
    "a block that mixes": lambda: net(own()["Block"](name="own")),
    "a block that says nothing": lambda: net(own()["Inherits"](name="own")),
}
LIVE = ("flips and contrast", "spectral norm", "augmentation of its own", "a counter", "two outputs")
NO_EFFECT = ("a counter", "a term of the loss", "two outputs")


@pytest.mark.parametrize("case", CASES)
def test_what_acts_in_training_alone_is_declared_and_the_rest_trains(case: str) -> None:
    import keras
    from keras.src.random.seed_generator import global_seed_generator

    from bakeoff.frameworks._keras.capture import capture

    made, name, where, words = CASES[case]
    keras.backend.clear_session()  # names are counted anew
    model = made()
    variables = [*model.variables, global_seed_generator().state]
    before = [variable.numpy() for variable in variables]
    captured = capture(model)
    (declared,) = captured.declared
    assert (declared.name, declared.where) == (name, where)
    assert words in declared.what
    assert declared.effect is not None
    assert (declared.effect == 0) if case in NO_EFFECT else (1e-6 < declared.effect < 10)
    nodes = captured.graph.nodes
    assert {node.attributes.rate for node in nodes if node.op == "dropout"} == {0.25}
    assert {node.attributes.statistics for node in nodes if node.op == "batch_norm"} == {"batch"}
    assert sum(node.op == "batch_norm" for node in nodes) == 1
    x = np.random.default_rng(0).normal(size=(2, *SIZE, 3)).astype("float32")
    assert relative(run(captured.graph, x), model(x, training=False).numpy()) < 1e-5
    assert all(np.array_equal(new.numpy(), old) for new, old in zip(variables, before, strict=True))
    assert not any("call" in vars(one) for one in model._flatten_layers())
    assert capture(model).declared == captured.declared


@pytest.mark.parametrize("case", [*LIVE, *HELD])
def test_the_live_net_trains_as_its_graph_does(case: str) -> None:
    from bakeoff.frameworks._keras.capture import capture
    from bakeoff.frameworks._keras.live import LiveKeras
    from bakeoff.frameworks.tensorflow import native
    from bakeoff.parity.draws import values

    model = (HELD.get(case) or CASES[case][0])()
    captured = capture(model)
    live = LiveKeras(model, captured, "float64")
    rebuilt = native(captured.graph.astype("float64"), precision="float64")
    batch, found, given = (np.random.default_rng(0).normal(size=(4, *SIZE, 3)), np.arange(4)), [], {}
    for net in (live, rebuilt):
        net.compile("sgd", {"momentum": 0.9}, "softmax_cross_entropy")
        net.given = values(given)
        found.append({"loss": np.array(net.gradients(*batch).loss)} | net.gradient_arrays())
        given = net.drawn
    assert len(given) == 1 + ("block" in case)
    top = max(np.abs(array).max() for array in found[0].values())
    assert all(np.abs(found[0][name] - array).max() < 1e-13 * top for name, array in found[1].items())
    after, expected = rebuilt.arrays(), live.arrays()
    assert all(relative(after[path], array) < 1e-11 for path, array in expected.items() if "moving" in path)


def test_an_augmentation_is_named_once_wherever_it_is() -> None:
    import keras

    from bakeoff.frameworks._keras.capture import capture

    first = keras.Sequential([layer("RandomFlip", name="flip"), layer("RandomZoom", 0.2, name="zoom")], name="front")
    model = net(layer("RandomContrast", 0.2, name="contrast"))
    inputs = keras.Input((*SIZE, 3))
    (declared,) = capture(keras.Model(inputs, model(first(inputs)))).declared
    assert (declared.name, len(declared.where)) == ("augmentation", 3)
    assert declared.where[:2] == ("front.flip", "front.zoom")


def test_what_a_graph_holds_is_not_declared() -> None:
    from bakeoff.frameworks._keras.capture import capture

    dropouts = layer("SpatialDropout2D", 0.2), layer("Dropout", 0.3, noise_shape=(None, 1, 1, 6)), layer("Dropout", 0.1)
    assert capture(net(*dropouts, layer("UnitNormalization"), layer("LayerNormalization"))).declared == ()


@pytest.mark.parametrize("case", HELD)
def test_what_differs_in_training_is_held(case: str) -> None:
    from bakeoff.frameworks._keras.capture import capture

    model = HELD[case]()
    captured = capture(model)
    assert captured.declared == ()
    assert sum(node.op == "batch_norm" for node in captured.graph.nodes) == 1 + ("block" in case)
    x = np.random.default_rng(0).normal(size=(4, *SIZE, 3)).astype("float32")
    assert relative(run(captured.graph, x), model(x, training=False).numpy()) < 1e-5


def test_weights_of_an_auxiliary_head_travel_along() -> None:
    from bakeoff.frameworks._keras.capture import capture, write_back

    model = called("Auxiliary")
    captured = capture(model)
    head = next(path for path in captured.graph.parameters if path.endswith("aux.kernel") or "aux" in path)
    assert not captured.graph.users[head]
    assert captured.graph.count() == sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    other = own()["Auxiliary"]()
    other(np.zeros((2, *SIZE, 3), "float32"))
    write_back(captured, captured.graph.arrays(), other)
    assert np.array_equal(other.aux.kernel.numpy(), model.aux.kernel.numpy())
