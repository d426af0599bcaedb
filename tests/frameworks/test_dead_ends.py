"""Dead ends: files that are read now, or told apart as the libraries write them; outputs that are no logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bakeoff.errors import BakeoffError, DataError, UnsupportedError
from bakeoff.zoo.opening import recognise

pytestmark = [
    pytest.mark.torch,
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:torch"),  # of what others still write
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch"),
]
KERAS_2 = Path(__file__).parents[1] / "compatibility" / "keras-2" / "net.h5"
GAVE = [[0.3744932, 0.20109154, 0.42441523], [0.3369617, 0.51277256, 0.1502658]]  # in Keras 2.21


@pytest.fixture
def only(framework: str, request: pytest.FixtureRequest) -> None:
    if framework != request.param:
        pytest.skip(f"of {request.param}")


of_torch = pytest.mark.parametrize("only", ["torch"], indirect=True)
of_keras = pytest.mark.parametrize("only", ["tensorflow"], indirect=True)


# files ----------------------------------------------------------------------------------------------------------------


@of_keras
@pytest.mark.usefixtures("only")
def test_an_h5_file_of_keras_2() -> None:
    """A frozen model inside, operations between layers, slashes in names, a depthwise kernel: read to the last bit."""
    from bakeoff.zoo.opening import Source, opened

    assert recognise(str(KERAS_2)) == ("keras", "tensorflow")
    found = opened(Source(str(KERAS_2), "keras", "tensorflow"))
    images = np.linspace(0, 255, 2 * 16 * 16 * 3).reshape(2, 16, 16, 3).astype("float32")
    np.testing.assert_allclose(found.native.predict(images, verbose=0), GAVE, rtol=0, atol=3e-8)
    inner = found.native.get_layer("base")
    assert [layer.name for layer in inner.layers][1:3] == ["stem_conv", "stem_bn"]
    assert not inner.trainable
    assert len(found.native.trainable_weights) == 2  # of the head
    assert found.graph.count(trainable=True) == 15


@of_keras
@pytest.mark.usefixtures("only")
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_h5_files_of_keras_3(tmp_path: Path) -> None:
    import keras

    from bakeoff.runtimes import keras_file

    layers = keras.layers
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.ReLU()])
    net = keras.Sequential([keras.Input((8, 8, 3)), inner, layers.Flatten(), layers.Dense(3)])
    net.save(tmp_path / "net.h5")
    images = np.ones((1, 8, 8, 3), "float32")
    again = keras_file.model(tmp_path / "net.h5")
    np.testing.assert_array_equal(again.predict(images, verbose=0), net.predict(images, verbose=0))
    net.save_weights(tmp_path / "net.weights.h5")
    with pytest.raises(DataError, match="weights without their net"):
        keras_file.model(tmp_path / "net.weights.h5")


@of_keras
@pytest.mark.usefixtures("only")
@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"class_name": "Lambda", "config": {"name": "own", "function": ["4wEA", None, None]}}, "Lambda"),
        ({"class_name": "TFOpLambda", "config": {"name": "tf.nn.top_k", "function": "nn.top_k"}}, "'tf.nn.top_k'"),
        (
            {"class_name": "Activation", "config": {"name": "a", "activation": "hard_sigmoid"}},
            "hard_sigmoid of Keras 2",
        ),
        ({"class_name": "Dense", "module": "os", "config": {"name": "a"}}, "os.Dense"),
        (3, "damaged"),
    ],
)
def test_h5_files_that_are_refused(config: Any, said: str, tmp_path: Path) -> None:
    import json
    import shutil

    from bakeoff.checkpoints import hdf5
    from bakeoff.runtimes import keras_file

    path = Path(shutil.copyfile(KERAS_2, tmp_path / "net.h5"))
    if isinstance(config, dict):
        config.setdefault("inbound_nodes", [])
        config = {"class_name": "Functional", "config": {"layers": [config], "output_layers": []}}
    hdf5.set_config(path, json.dumps(config))
    with pytest.raises(BakeoffError, match=said):
        keras_file.model(path)


@of_keras
@pytest.mark.usefixtures("only")
def test_layers_of_keras_s_applications(tmp_path: Path) -> None:
    """All of them are trusted by name, functions (they fetch weights) are not; a file with them is read."""
    import importlib
    import inspect
    import pkgutil

    import keras
    from keras.src import applications

    from bakeoff.checkpoints.keras import APPLICATIONS, check_config
    from bakeoff.errors import CorruptError
    from bakeoff.runtimes import keras_file
    from bakeoff.zoo.opening import from_keras

    names = [one.name for one in pkgutil.iter_modules(applications.__path__) if not one.name.endswith("_test")]
    modules = [importlib.import_module(f"keras.src.applications.{name}") for name in names]
    own = {
        name
        for module in modules
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and issubclass(kind, keras.Layer) and kind.__module__ == module.__name__
    }
    assert own == set(APPLICATIONS)
    with pytest.raises(CorruptError, match="ResNet50"):
        check_config({"class_name": "ResNet50", "module": "keras.src.applications.resnet", "config": {}}, "net")
    convnext, inception = (modules[names.index(name)] for name in ("convnext", "inception_resnet_v2"))
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(image)
    y = convnext.StochasticDepth(0.2)(convnext.LayerScale(1e-6, 4)(keras.layers.Conv2D(4, 3, padding="same")(x)))
    x = inception.CustomScaleLayer(0.17)([x, y])
    net = keras.Model(image, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x)))
    net.compile("adam", "sparse_categorical_crossentropy")
    net.train_on_batch(np.zeros((1, 8, 8, 3)), np.zeros(1))
    net.save(tmp_path / "net.keras")
    assert from_keras(keras_file.model(tmp_path / "net.keras")).graph.output_shape[1:] == (3,)


@of_torch
@pytest.mark.usefixtures("only")
def test_files_of_torch(tmp_path: Path) -> None:
    import torch
    from torch import nn

    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
    torch.save(net, tmp_path / "whole.pt")
    torch.save(net, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    torch.save(net.state_dict(), tmp_path / "state.pt")
    torch.save({"model": net.state_dict(), "epoch": 3}, tmp_path / "checkpoint.ckpt")
    torch.jit.script(net).save(str(tmp_path / "script.pt"))
    torch.export.save(torch.export.export(net, (torch.zeros(1, 3, 8, 8),)), str(tmp_path / "program.bin"))
    said = {
        "whole.pt": "pickled torch module",
        "old.pt": "pickled torch module",
        "state.pt": "weights without their net",
        "checkpoint.ckpt": "weights without their net",
        "script.pt": "TorchScript",
        "program.bin": "NAME.pt2",
    }
    for name, words in said.items():
        with pytest.raises(DataError, match=words):
            recognise(str(tmp_path / name))


# outputs --------------------------------------------------------------------------------------------------------------


@of_torch
@pytest.mark.usefixtures("only")
def test_outputs_of_torch(tmp_path: Path) -> None:
    import collections

    import torch
    from torch import nn

    from bakeoff.zoo.opening import Source, from_torch, opened

    named = collections.namedtuple("named", "logits aux")  # type: ignore[name-match]

    class Net(nn.Module):
        def __init__(self, give: Any) -> None:
            super().__init__()
            self.conv, self.fc, self.give = nn.Conv2d(3, 4, 3), nn.Linear(4, 3), give

        def forward(self, x: torch.Tensor) -> Any:
            maps = self.conv(x)
            features = maps.mean((2, 3))
            return self.give(self.fc(features), features, maps)

    cases = [
        (lambda d, f, m: (d, f), r"\[0\] 3 numbers an image, \(batch, 3\); \[1\] 4 numbers.*\n.*give\(x\)\[0\]"),
        (lambda d, f, m: {"maps": m, "logits": d}, r"\['maps'\] maps, 6 x 10 with 4.*\n.*give\(x\)\['logits'\]"),
        (lambda d, f, m: named(d, f), r"\.logits 3 numbers.*\n.*give\(x\)\.logits"),
        (lambda d, f, m: [m, m], r"\[1\] maps, 6 x 10 with 4 channels, \(batch, 6, 10, 4\)\.\n.*with its head"),
        (lambda d, f, m: d.sum(), "a number for the whole batch"),
        (lambda d, f, m: None, "gives nothing"),
    ]  # fmt: skip
    for give, said in cases:
        with pytest.raises(UnsupportedError, match=said):
            from_torch(Net(give).eval(), (8, 12))
    net = Net(lambda d, f, m: {"maps": m, "logits": d}).eval()
    net.forward = lambda x, give=net.forward: give(x)["logits"]  # type: ignore[method-assign]
    assert from_torch(net, (8, 12)).graph.output_shape[1:] == (3,)  # as the line says
    with pytest.raises(UnsupportedError, match="TorchScript"):
        from_torch(torch.jit.script(nn.Conv2d(3, 4, 3)), (8, 12))
    program = torch.export.export(Net(lambda d, f, m: d).eval(), (torch.zeros(2, 3, 8, 12),))
    torch.export.save(program, str(tmp_path / "net.pt2"))
    with pytest.raises(UnsupportedError, match="exported for batches of 2 alone"):
        opened(Source(str(tmp_path / "net.pt2"), "pt2", "torch"))


@of_keras
@pytest.mark.usefixtures("only")
def test_outputs_of_keras() -> None:
    import keras

    from bakeoff.zoo.opening import from_keras

    image = keras.Input((8, 12, 3))
    maps = keras.layers.Conv2D(4, 3)(image)
    logits = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(maps))
    for outputs in ([maps, logits], {"a": maps, "b": logits}):
        with pytest.raises(UnsupportedError, match=r"\[0\] maps, 6 x 10 with 4 channels, .*; \[1\] 3 numbers an image"):
            from_keras(keras.Model(image, outputs))
    model = keras.Model(image, [maps, logits])
    assert from_keras(keras.Model(model.inputs[0], model.outputs[1])).graph.output_shape[1:] == (3,)
