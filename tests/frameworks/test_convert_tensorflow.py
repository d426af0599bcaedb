"""A conversion of a live Keras model with both sides in this process: the model itself is the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bakeoff.conversion.request import Request
from bakeoff.conversion.session import Here, Session
from bakeoff.errors import UnsupportedError
from bakeoff.schemas import Certificate

pytestmark = pytest.mark.tensorflow


def net() -> Any:
    """What Keras does its own way: preprocessing inside, "same", biased statistics, activations, a softmax."""
    import keras

    layers = keras.layers
    x = keras.Input((24, 16, 3))
    y = layers.Rescaling(1 / 127.5, offset=-1)(x)
    y = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(y)
    y = layers.BatchNormalization(momentum=0.8, name="norm")(y)
    y = layers.Activation("gelu")(y)
    y = layers.SeparableConv2D(8, 3, padding="same")(y)
    y = layers.LeakyReLU(negative_slope=0.3)(y)
    inner = keras.Sequential([keras.Input((12, 8, 8)), layers.Conv2D(8, 1, activation="swish"), layers.Dropout(0.5)])
    y = layers.Add()([y, inner(y)])
    y = layers.AveragePooling2D(3, 2, padding="same")(y)
    y = layers.GlobalAveragePooling2D()(y)
    return keras.Model(x, layers.Dense(5, activation="softmax")(y))


def checked(tmp_path: Path, model: Any, **more: Any) -> Certificate:
    from bakeoff.zoo.opening import from_keras

    request = Request("net", "bundle", tmp_path / "net", kind="live", framework="tensorflow", **more)
    with Session(request, None, None, from_keras(model), Here()) as work:
        return work.check()


def test_the_rebuilt_net_is_the_live_one(tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    before, model = (tf.nn.gelu, tf.nn.leaky_relu), net()
    kept = [v.value.numpy().copy() for v in model.weights]
    certificate = checked(tmp_path, model)
    assert certificate.passed, [check for check in certificate.checks if not check.passed]
    names = {check.name: check for check in certificate.checks}
    assert {"logits.given", "between_images.telling", "gradients.training", "gradients.flat"} <= set(names)
    assert {"losses.training", "statistics.after", "trainable"} <= set(names)
    assert names["logits.given"].difference < 1e-12
    assert (tf.nn.gelu, tf.nn.leaky_relu) == before
    assert model.layers[-1].activation is keras.activations.softmax
    assert all((a == b.value.numpy()).all() for a, b in zip(kept, model.weights, strict=True))


def test_another_variance_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from bakeoff.conversion import work

    read = work.read_bundle

    def unbiased(folder: Any) -> Any:
        bundle = read(folder)
        nodes = [
            replace(node, attributes=replace(node.attributes, variance="unbiased")) if node.op == "batch_norm" else node
            for node in bundle.graph.nodes
        ]
        return replace(bundle, graph=replace(bundle.graph, nodes=tuple(nodes)))

    monkeypatch.setattr(work, "read_bundle", unbiased)
    failed = {check.name for check in checked(tmp_path, net()).checks if not check.passed}
    assert "statistics.after" in failed
    assert "logits.given" not in failed


def test_augmentation_is_left_out_as_accepted_and_noise_is_kept(tmp_path: Path) -> None:
    import keras

    layers = keras.layers
    model = keras.Sequential([
        keras.Input((24, 16, 3)), layers.RandomFlip(), layers.GaussianNoise(0.3), layers.Conv2D(4, 3),
        layers.GlobalAveragePooling2D(), layers.Dense(1, activation="sigmoid"),
    ])  # fmt: skip
    certificate = checked(tmp_path, model, accept=("augmentation",))
    assert certificate.passed, [check for check in certificate.checks if not check.passed]
    assert [one.name for one in certificate.declared] == ["augmentation"]
    assert "draws" in {check.name for check in certificate.checks}


@pytest.mark.parametrize("bias", ["ones", "zeros"])
def test_a_net_whose_slope_is_infinite_at_nothing_is_judged_elsewhere(tmp_path: Path, bias: str) -> None:
    import keras

    layers = keras.layers
    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(4, 3, bias_initializer=bias)(inputs)
    x = layers.GlobalAveragePooling2D()(keras.ops.sqrt(keras.ops.square(x)))
    certificate = checked(tmp_path, keras.Model(inputs, layers.Dense(3)(x)))
    assert certificate.passed, [check for check in certificate.checks if not check.passed]
    assert ("gradients.flat" in {check.name for check in certificate.checks}) == (bias == "ones")


def test_images_without_channels_are_grey_ones(tmp_path: Path) -> None:
    """tensorflow.org's first net, and rows read as a sequence."""
    import keras

    layers = keras.layers
    first = [layers.Flatten(), layers.Dense(16, activation="relu"), layers.Dropout(0.2), layers.Dense(10)]
    rows = [layers.Conv1D(8, 5, activation="relu"), layers.BatchNormalization(), layers.GlobalMaxPooling1D(),
            layers.Dense(10, activation="softmax")]  # fmt: skip
    for own in (first, rows):
        model = keras.Sequential([keras.Input((28, 28)), *own])
        before = [len(layer._inbound_nodes) for layer in model.layers]
        certificate = checked(tmp_path, model)
        assert certificate.passed, [check for check in certificate.checks if not check.passed]
        assert [len(layer._inbound_nodes) for layer in model.layers] == before, "the model stays as it was"


def test_mixed_precision_is_left_out_and_said(tmp_path: Path) -> None:
    import keras

    layers = keras.layers
    keras.config.set_dtype_policy("mixed_float16")
    try:
        inputs = keras.Input((12, 12, 3))
        x = layers.Dense(4)(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(inputs)))
        model = keras.Model(inputs, layers.Activation("softmax", dtype="float32")(x))
    finally:
        keras.config.set_dtype_policy("float32")
    assert checked(tmp_path, model).passed
    assert model.layers[1].dtype_policy.name == "mixed_float16", "the model stays as it was"


def test_a_model_of_ones_own_class_without_a_configuration(tmp_path: Path) -> None:
    """The quickstart for experts: built by a first call, no get_config."""
    import keras
    import numpy as np

    class Own(keras.Model):  # type: ignore[misc]
        def __init__(self, width: int = 4) -> None:
            super().__init__()
            self.conv, self.norm = keras.layers.Conv2D(width, 3, activation="relu"), keras.layers.BatchNormalization()
            self.pool, self.drop = keras.layers.GlobalAveragePooling2D(), keras.layers.Dropout(0.4)
            self.head = keras.layers.Dense(3)

        def call(self, x: Any, training: bool = False) -> Any:
            x = self.pool(self.norm(self.conv(x), training=training))
            return self.head(self.drop(x, training=training) if training else x)

    model = Own()
    model(np.zeros((1, 12, 12, 3), "float32"))
    assert checked(tmp_path, model).passed
    wider = Own(5)  # what Keras doesn't remember: its copy is another net
    wider(np.zeros((1, 12, 12, 3), "float32"))
    with pytest.raises(UnsupportedError, match="can't be copied"):
        checked(tmp_path, wider)


def test_layers_of_ones_own_that_take_no_name_and_no_dtype(tmp_path: Path) -> None:
    """As of tutorials: Keras itself couldn't read them from a configuration, with or without get_config."""
    import keras

    class Plain(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.inner = keras.layers.Dense(6, activation="tanh")

        def build(self, shape: Any) -> None:
            self.inner.build(shape)

        def call(self, x: Any) -> Any:
            return self.inner(x)

    @keras.saving.register_keras_serializable("mine")  # type: ignore[untyped-decorator]
    class Told(Plain):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.units, self.inner = units, keras.layers.Dense(units)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "units": self.units}

    class Forgets(Told):
        def get_config(self) -> dict[str, Any]:
            return {"name": self.name}

    def model(last: Any) -> Any:
        within = keras.Sequential([keras.Input((12, 12, 6)), Told(5), keras.layers.Conv2D(4, 3)])
        x = keras.Input((12, 12, 3))
        y = keras.layers.GlobalAveragePooling2D()(within(Plain()(x)))
        return keras.Model(x, last(y))

    certificate = checked(tmp_path, model(Told(3)))
    assert certificate.passed, [check for check in certificate.checks if not check.passed]
    with pytest.raises(UnsupportedError, match=r"missing 1 required .*'units'.*\n.*own classes: Forgets"):
        checked(tmp_path, model(Forgets(3)))


def test_what_keeps_weights_after_a_step_has_to_be_accepted(tmp_path: Path) -> None:
    import keras

    layers = keras.layers
    model = keras.Sequential([
        keras.Input((12, 12, 3)), layers.Conv2D(4, 3, kernel_constraint="max_norm", name="c"),
        layers.GlobalAveragePooling2D(), layers.Dense(3, kernel_constraint="non_neg", name="d"),
    ])  # fmt: skip
    certificate = checked(tmp_path, model, accept=("constraint",))
    assert certificate.passed, [check for check in certificate.checks if not check.passed]
    (lost,) = certificate.declared
    assert lost.name == "constraint"
    assert lost.what == "after each step it is kept by MaxNorm; after each step it is kept by NonNeg"
    assert model.layers[0].kernel.constraint is not None, "the model stays as it was"


def test_helpers_of_a_page_dont_take_a_node_s_name() -> None:
    import keras
    import numpy as np

    from bakeoff.frameworks._keras.build import build
    from bakeoff.graph import Composer
    from bakeoff.ops._dimension import Dim

    composer = Composer((Dim("batch"), 8, 8, 3), seed=0)
    x = composer.add("conv2d", "relu", composer.input, filters=4, kernel=(3, 3), pad="same")
    x = composer.add("global_avg_pool", "softmax", composer.add("relu", "conv", x))
    graph = composer.finish(composer.add("dense", "softmax_1", x, units=3))
    keras.backend.clear_session()  # Keras counts the names that it gives from the start
    model = build(graph).model
    images = np.zeros((2, 8, 8, 3), "float32")
    assert model(images).shape == (2, 3)
    probed = keras.ops.softmax(keras.ops.relu(model.output))  # of names that Keras gives: relu, softmax
    from bakeoff.frameworks._keras.build import _operations, _rename

    owners = {layer.name for layer in model.layers if layer.weights}
    probes = [("relu", probed)]
    _rename(probes, owners)
    names = [operation.name for operation, _ in _operations(probes)]
    assert len(names) == len(set(names))
    assert owners <= set(names)
    assert keras.Model(model.input, probed)(images).shape == (2, 3)


def test_a_layer_that_two_inner_models_share_is_lost_by_keras_s_own_copy_and_refused(tmp_path: Path) -> None:
    import keras

    layers = keras.layers
    shared = keras.Sequential([keras.Input((11, 11, 4)), layers.Conv2D(4, 3, padding="same")])
    inner = keras.Sequential([keras.Input((11, 11, 4)), shared, layers.GlobalAveragePooling2D()])
    outer = keras.Sequential([keras.Input((24, 24, 3)), layers.Conv2D(4, 3, 2), shared, inner, layers.Dense(3)])
    with pytest.raises(UnsupportedError, match="from_config"):
        checked(tmp_path, outer)
