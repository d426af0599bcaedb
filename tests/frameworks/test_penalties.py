"""Terms of the loss that live in a model: a live Keras model's own, against the nets of all libraries; float64."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bakeoff import frameworks
from bakeoff.errors import UnsupportedError
from bakeoff.graph import Composer, Graph, Ref
from bakeoff.graph.graph import Penalty
from bakeoff.graph.trainable import freeze
from bakeoff.ops._dimension import Dim
from bakeoff.schemas import Array

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LOSS = "softmax_cross_entropy"
ROUNDING = 1e-12
PENALTIES = (
    Penalty("conv.kernel", l2=0.01),
    Penalty("conv.bias", l1=0.03),  # all 0: |x| has no slope there, whatever the library
    Penalty("norm.scale", 0.02, 0.05),
    Penalty("twice.kernel", l2=0.1),  # used twice, counted once
    Penalty(Ref("relu"), l2=0.04),
    Penalty(Ref("first"), l1=0.07),
    Penalty(Ref("second"), l1=0.07, l2=0.01),
    Penalty(Ref("second"), l2=0.01),
    Penalty(Ref("input"), l1=0.3),
    Penalty(Ref("head"), l2=0.2),
)


def graph() -> Graph:
    c = Composer((Dim("batch"), 6, 5, 3), seed=3)
    x = c.add("conv2d", "conv", c.input, filters=4, kernel=(3, 3), weights={"bias": np.zeros(4, "float32")})
    x = c.add("relu", "relu", c.add("batch_norm", "norm", x))
    x = c.add("dense", "first", x, units=4, share="twice")
    x = c.add("dense", "second", x, units=4, share="twice")
    made = c.finish(c.add("dense", "head", c.add("flatten", "flat", x), units=3))
    return replace(made, penalties=PENALTIES)


def batch(size: tuple[int, ...] = (6, 5, 3), count: int = 5) -> tuple[Array, Array]:
    draw = np.random.default_rng(1)
    return draw.normal(size=(count, *size)), draw.integers(0, 3, count)


def gradients(net: Any, images: Array, labels: Array) -> tuple[float, dict[str, Array]]:
    net.compile("sgd", {}, LOSS)
    result = net.gradients(images, labels)
    return result.loss / result.count, net.gradient_arrays()


def native(framework: str, net: Graph, precision: str = "float64", **settings: Any) -> Any:
    return frameworks.load(framework).native(net.astype("float64"), precision=precision, **settings)


def worst(found: dict[str, Array], expected: dict[str, Array]) -> float:
    assert set(found) == set(expected)
    top = max(np.abs(array).max() for array in expected.values())
    return max(float(np.abs(found[path] - array).max()) for path, array in expected.items()) / top


# by the formula -------------------------------------------------------------------------------------------------------


def test_terms_on_weights_are_those_of_the_formula(framework: str) -> None:
    net, (x, y) = graph(), batch()
    on_weights = [penalty for penalty in PENALTIES if isinstance(penalty.on, str)]
    loss, found = gradients(native(framework, replace(net, penalties=tuple(on_weights))), x, y)
    plain, expected = gradients(native(framework, replace(net, penalties=())), x, y)
    for penalty in on_weights:
        l1, l2 = penalty.l1, penalty.l2
        weight = net.parameters[str(penalty.on)].array.astype("float64")
        plain += l1 * np.abs(weight).sum() + l2 * np.square(weight).sum()
        expected[str(penalty.on)] += l1 * np.sign(weight) + 2 * l2 * weight
    assert abs(loss - plain) < ROUNDING * plain
    assert worst(found, expected) < ROUNDING


def test_terms_on_values_are_divided_by_the_batch(framework: str) -> None:
    net, (x, y) = graph(), batch()
    image = Penalty(Ref("input"), 0.25, 0.5)
    loss, found = gradients(native(framework, replace(net, penalties=(image,))), x, y)
    plain, expected = gradients(native(framework, replace(net, penalties=())), x, y)
    assert abs(loss - plain - (0.25 * np.abs(x).sum() + 0.5 * np.square(x).sum()) / len(x)) < ROUNDING * loss
    assert worst(found, expected) < ROUNDING


def test_micro_batches_add_up_to_the_batch_and_steps_are_the_same(framework: str) -> None:
    net, (x, y) = replace(freeze(graph(), ["norm.*"]), penalties=PENALTIES), batch(count=6)
    frozen = replace(net, nodes=tuple(_without_statistics(node) for node in net.nodes))
    whole, parts, many = (native(framework, frozen) for _ in range(3))
    loss, expected = gradients(whole, x, y)
    parts.compile("sgd", {}, LOSS)
    found = sum(parts.gradients(x[part], y[part]).loss for part in (slice(0, 2), slice(2, 6))) / 6
    assert abs(found - loss) < ROUNDING * loss
    assert worst(parts.gradient_arrays(), expected) < ROUNDING
    whole.apply(0.1)
    many.compile("sgd", {}, LOSS)
    assert abs(many.steps([x], [y], [0.1])[0] - loss) < ROUNDING * loss
    assert worst(many.arrays(), whole.arrays()) < ROUNDING


def _without_statistics(node: Any) -> Any:
    frozen = node.op == "batch_norm"
    return replace(node, attributes=replace(node.attributes, statistics="frozen")) if frozen else node


def test_what_is_frozen_has_no_term(framework: str) -> None:
    net, (x, y) = freeze(graph(), ["conv.*", "twice.*"]), batch()
    without = [p for p in PENALTIES if p.on not in ("conv.kernel", "conv.bias", "twice.kernel")]
    loss, _ = gradients(native(framework, net), x, y)
    expected, _ = gradients(native(framework, replace(net, penalties=tuple(without))), x, y)
    assert abs(loss - expected) < ROUNDING * loss


@pytest.mark.parametrize("place", [0, 3, 4, 7])
def test_a_term_that_is_dropped_or_counted_twice_shows(framework: str, place: int) -> None:
    """The mutation: a lowering that does so is no net of this graph."""
    net, (x, y) = graph(), batch(count=2)
    one = PENALTIES[place]
    twice = (one, one) if isinstance(one.on, Ref) else (replace(one, l1=2 * one.l1, l2=2 * one.l2),)
    losses = [gradients(native(framework, replace(net, penalties=terms)), x, y)[0] for terms in ((one,), twice, ())]
    assert losses[1] - losses[0] > 1e-3
    assert abs((losses[1] - losses[0]) - (losses[0] - losses[2])) < ROUNDING * losses[0]


def test_sums_of_16_bits_are_taken_in_32(framework: str) -> None:
    c = Composer((Dim("batch"), 96, 96, 3))
    x = c.add("relu", "relu", c.add("conv2d", "conv", c.input, filters=8, kernel=(3, 3)))
    net = c.finish(c.add("dense", "head", c.add("global_avg_pool", "pool", x), units=3))
    net = replace(net, penalties=(Penalty(Ref("relu"), l2=1.0),))
    images, labels = batch((96, 96, 3), 2)
    images = images.astype("float32")
    losses = []
    for precision in ("float32", "bfloat16"):
        made = frameworks.load(framework).native(net, precision=precision)
        losses.append(gradients(made, images, labels)[0])
    assert losses[0] > 1e3  # of numbers around 1, where 16 bits stand still at 256
    assert abs(losses[1] - losses[0]) < 2e-3 * losses[0]


# a live Keras model ---------------------------------------------------------------------------------------------------


def keras_nets() -> dict[str, Callable[[], Any]]:
    import keras
    from keras import layers as L
    from keras import regularizers as R

    def around(layer: Any, shape: tuple[int, ...] = (6, 5, 3), **head: Any) -> Any:
        inputs = keras.Input((6, 5, 3))
        x = layer(inputs if shape == (6, 5, 3) else L.Reshape(shape)(inputs))
        return keras.Model(inputs, L.Dense(3, **head)(L.Flatten()(x)))

    class Block(L.Layer):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.dense = L.Dense(3, kernel_regularizer="l2", activity_regularizer=R.L1(0.01))

        def build(self, shape: Any) -> None:
            self.scale = self.add_weight(shape=(3,), initializer="ones", regularizer="l1")
            self.dense.build(shape)

        def call(self, x: Any) -> Any:
            return self.dense(self.dense(x)) * self.scale

    def frozen() -> Any:
        model = around(L.Dense(4, kernel_regularizer="l2", activity_regularizer="l2", name="still"))
        model.get_layer("still").trainable = False
        return model

    def late() -> Any:
        model = around(L.Dense(4, name="first"), kernel_regularizer="l2")
        model.get_layer("first").kernel_regularizer = R.L2(0.1)  # Keras asks its variables: too late
        return model

    def depthwise(x: Any) -> Any:
        x = L.DepthwiseConv2D(3, padding="same", depthwise_regularizer=R.L1(0.003), bias_regularizer="l2")(x)
        x = L.SeparableConv2D(4, 3, depthwise_regularizer=R.L1(0.1), pointwise_regularizer=R.L2(0.1))(x)
        return L.PReLU(shared_axes=(1, 2), alpha_initializer="ones", alpha_regularizer="l1")(x)

    def norms(x: Any) -> Any:
        x = L.BatchNormalization(gamma_regularizer=R.L1L2(0.1, 0.2), beta_regularizer="l2")(x)
        x = L.ZeroPadding2D(1, activity_regularizer=R.L1(0.01))(x)  # no pad of the convolution's own, then
        x = L.Conv2D(4, 3, kernel_regularizer="l2", activation="relu", activity_regularizer=R.L2(0.01))(x)
        return L.LayerNormalization(gamma_regularizer="l2")(L.ActivityRegularization(0.1, 0.2)(x))

    rows = {"kernel_regularizer": "l2", "bias_regularizer": "l1"}
    return {
        "depthwise": lambda: around(depthwise),
        "norms": lambda: around(norms, kernel_regularizer=R.L2(0.3), activation="softmax"),
        "attention": lambda: around(lambda x: L.MultiHeadAttention(2, 3, **rows)(x, x), (10, 9)),
        "lstm": lambda: around(L.LSTM(4, recurrent_regularizer="l1", activity_regularizer="l2", **rows), (10, 9)),
        "a class of one's own": lambda: around(Block()),
        "frozen": frozen,
        "set too late": late,
        "logits": lambda: around(L.Dense(2), activity_regularizer=R.L2(0.5)),
    }


KERAS = ("depthwise", "norms", "attention", "lstm", "a class of one's own", "frozen", "set too late", "logits")


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", KERAS)
def test_a_keras_model_and_the_net_made_of_it(name: str, tmp_path: Path) -> None:
    import keras

    from bakeoff.frameworks._keras.capture import capture
    from bakeoff.frameworks._keras.live import LiveKeras

    model, (x, y) = keras_nets()[name](), batch()
    captured = capture(model)
    live = LiveKeras(model, captured, "float64")
    loss, expected = gradients(live, x, y)
    logits = live.logits(x, train=True)
    plain = float(np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(len(y)), y]))
    model(x.astype("float32"), training=True)
    own = float(sum(map(float, model.losses)))
    assert own > 0
    assert abs(loss - plain - own) < 1e-5 * loss  # what fit() adds
    for batch_norm in ("exact", "stock"):
        again, found = gradients(native("tensorflow", captured.graph, batch_norm=batch_norm), x, y)
        assert abs(again - loss) < ROUNDING * loss
        assert worst(found, expected) < ROUNDING
    file = tmp_path / "net.keras"
    stock = frameworks.load("tensorflow").native(captured.graph, batch_norm="stock").native
    stock.save(file)
    read = keras.models.load_model(file)  # of Keras's own layers alone
    read(x.astype("float32"), training=True)
    assert abs(float(sum(map(float, read.losses))) - own) < 1e-5 * own
    terms = sorted((p.l1, p.l2) for p in captured.graph.penalties)
    if name != "a class of one's own":  # what holds its bare weight is not read back
        assert sorted((p.l1, p.l2) for p in capture(read).graph.penalties) == terms


@pytest.mark.tensorflow
def test_every_net_is_tried() -> None:
    assert set(keras_nets()) == set(KERAS)


@pytest.mark.tensorflow
def test_a_dropped_regularizer_fails_the_trial_and_is_named_in_the_file(tmp_path: Path) -> None:
    from bakeoff.conversion import contents
    from bakeoff.frameworks._keras.capture import capture
    from bakeoff.frameworks._keras.live import LiveKeras
    from bakeoff.parity import judge
    from bakeoff.parity.draws import Draws
    from bakeoff.parity.trial import Trial, trained

    model, (x, y) = keras_nets()["norms"](), batch()
    captured = capture(model)
    dropped = replace(captured.graph, penalties=captured.graph.penalties[:-1])
    roles = {path: parameter.role for path, parameter in captured.graph.parameters.items()}
    trial = Trial({}, [(x, y), (x, y)], roles=roles)
    source = trained(LiveKeras(model, captured, "float64"), trial, Draws())
    sides = [trained(native("tensorflow", net), trial, Draws()) for net in (captured.graph, dropped)]
    passed = [{one.name: one.passed for one in judge.double(side, source)} for side in sides]
    assert all(passed[0].values())
    assert not passed[1]["gradients.training"]
    assert not passed[1]["losses.training"]
    for name, net in (("a", captured.graph), ("b", dropped)):
        frameworks.load("tensorflow").native(net, batch_norm="stock").native.save(tmp_path / f"{name}.keras")
    one, other = (contents.of(tmp_path / f"{name}.keras") for name in "ab")
    (place,) = contents.different(one, other)
    assert "dense" in place


@pytest.mark.tensorflow
def test_a_loss_of_a_class_of_ones_own_has_to_be_accepted() -> None:
    import keras

    from bakeoff.frameworks._keras.capture import capture

    class Own(keras.Model):
        def compute_loss(self, *given: Any, **named: Any) -> Any:
            return 2 * super().compute_loss(*given, **named)

    inputs = keras.Input((4, 4, 3))
    outputs = keras.layers.Dense(2)(keras.layers.Flatten()(inputs))
    (declared,) = capture(Own(inputs, outputs, name="own")).declared
    assert (declared.name, declared.where) == ("loss", ("own",))
    assert "compute_loss" in declared.what
    assert capture(keras.Model(inputs, outputs)).declared == ()


# a torch module -------------------------------------------------------------------------------------------------------


@pytest.mark.torch
def test_a_torch_net_states_its_terms() -> None:
    import torch

    x, y = batch()
    net = native("torch", graph())
    loss, _ = gradients(net, x, y)
    logits = net.logits(x, train=True)
    plain = float(np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(len(y)), y]))
    gradients(net, x, y)
    own = net.native.penalty().item()
    assert abs(own + plain - loss) < ROUNDING * loss
    assert 0 < copy.deepcopy(net.native).penalty().item() < own  # on weights: it had no pass yet
    assert float(native("torch", replace(graph(), penalties=())).native.penalty()) == 0
    torch.export.export(net.native.eval(), (torch.zeros(2, 3, 6, 5, dtype=torch.float64),))


@pytest.mark.torch
def test_a_net_made_here_keeps_its_terms_or_is_refused() -> None:
    from bakeoff.frameworks.torch.build import build
    from bakeoff.frameworks.torch.capture import capture

    on_weights = tuple(penalty for penalty in PENALTIES if isinstance(penalty.on, str))
    again = capture(build(replace(graph(), penalties=on_weights)).module, input_size=(6, 5)).graph
    assert [(p.l1, p.l2) for p in again.penalties] == [(p.l1, p.l2) for p in on_weights]
    arrays, old = again.arrays(), graph().arrays()
    for penalty, before in zip(again.penalties, on_weights, strict=True):
        assert np.array_equal(arrays[str(penalty.on)], old[str(before.on)])
    with pytest.raises(UnsupportedError, match="_activity is a term of its loss on what a layer gives"):
        capture(build(graph()).module, input_size=(6, 5))


@pytest.mark.torch
@pytest.mark.parametrize("how", ["attribute", "always", "list", "dict"])
def test_a_loss_kept_in_an_attribute_is_refused_by_name(how: str) -> None:
    from bakeoff.frameworks.torch.capture import capture

    with pytest.raises(UnsupportedError, match=r"training keeps a term of the loss in aux, beside the logits"):
        capture(auxiliary(how), input_size=(12, 12))


@pytest.mark.torch
@pytest.mark.parametrize("how", ["none", "scale", "features"])
def test_what_else_a_module_keeps_is_no_loss(how: str) -> None:
    from bakeoff.frameworks.torch.capture import capture

    module = auxiliary(how)
    capture(module, input_size=(12, 12))
    assert module.aux == []  # as it was


def auxiliary(how: str) -> Any:
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)
            self.size, self.aux = nn.Parameter(torch.tensor(0.5)), []

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.body(x).relu().mean((2, 3))
            if how == "scale":
                self.factor = self.size.exp()  # a number with a gradient, which the logits come from
                return self.head(x * self.factor)
            if how == "features" and self.training:
                self.kept = x
            if how == "always" or (how == "attribute" and self.training):
                self.aux = x.square().mean()
            if how == "list" and self.training:
                self.aux.append(x.abs().mean())
            if how == "dict" and self.training:
                self.aux = {"kl": x.sum()}
            return self.head(x)

    return Net()


# pages of source code -------------------------------------------------------------------------------------------------


@pytest.mark.torch
@pytest.mark.tensorflow
def test_a_page_states_the_terms(framework: str, tmp_path: Path) -> None:
    from bakeoff.exports.source import write

    net, (x, y) = freeze(graph(), ["head.*"]), batch()
    net = replace(net, penalties=(*PENALTIES, Penalty("head.kernel", l2=0.7)))
    library = "torch" if framework == "torch" else "keras"
    page = write(net, library, tmp_path)
    scope: dict[str, Any] = {"__name__": "page", "__file__": str(page)}
    exec(compile(page.read_text(encoding="utf-8"), "model.py", "exec"), scope)
    made = scope["load"]()
    if framework == "torch":
        import torch

        made.train()(torch.from_numpy(x.transpose(0, 3, 1, 2).astype("float32")))
        own = made.penalty().item()
    else:
        made(x.astype("float32"), training=True)
        own = float(sum(map(float, made.losses)))
    settings = {} if framework == "torch" else {"batch_norm": "stock"}
    loss, _ = gradients(native(framework, net, **settings), x, y)
    plain, _ = gradients(native(framework, replace(net, penalties=()), **settings), x, y)
    assert abs(own - (loss - plain)) < 1e-5 * loss
