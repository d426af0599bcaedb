"""The same two nets, written again in Keras as a user would, with the other side's weights and a mistake each.

python keras_nets.py FOLDER    after torch_nets.py
"""

import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers


def resid(epsilon=1e-5, padding="zero", scaling=False, size=(64, 64)):
    def strided(x, filters):
        if padding == "same":
            return layers.Conv2D(filters, 3, 2, padding="same", use_bias=False)(x)
        return layers.Conv2D(filters, 3, 2, use_bias=False)(layers.ZeroPadding2D(1)(x))

    def norm(x):
        return layers.BatchNormalization(epsilon=epsilon)(x)

    given = x = keras.Input((*size, 3))
    x = layers.Rescaling(1 / 127.5, -1)(x) if scaling else x
    x = layers.ReLU(6.0)(norm(strided(x, 16)))
    y = layers.ReLU(6.0)(norm(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)))
    x = layers.Add()([x, norm(layers.Conv2D(16, 1, use_bias=False)(y))])
    x = layers.ReLU(6.0)(norm(strided(x, 24)))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(given, layers.Dense(10)(x))


def flat(slope=0.01, approximate=False, relu=True):
    given = x = keras.Input((48, 60, 3))
    x = layers.LeakyReLU(negative_slope=slope)(layers.Conv2D(8, 5, 2)(layers.ZeroPadding2D(2)(x)))
    x = layers.AveragePooling2D(3, 2)(layers.ZeroPadding2D(1)(x))
    x = layers.Conv2D(12, 3, padding="same")(x)
    x = keras.ops.gelu(x, approximate=approximate)
    x = layers.Dense(40, activation="relu" if relu else None)(layers.Flatten()(x))
    return keras.Model(given, layers.Dense(10)(x))


def filled(model, state, statistics=True, moved=True, turned=False):
    """A model with the weights of the other side, layer by layer."""
    state = dict(state)
    names = list(dict.fromkeys(name.rpartition(".")[0] for name in state))
    made = [layer for layer in model.layers if layer.weights]
    norms = [one for one in names if one.startswith("bn")]
    others = [one for one in names if not one.startswith("bn")]
    for layer in made:
        name = norms.pop(0) if isinstance(layer, layers.BatchNormalization) else others.pop(0)
        own = {key.rpartition(".")[2]: value for key, value in state.items() if key.rpartition(".")[0] == name}
        if isinstance(layer, layers.BatchNormalization):
            start = layer.get_weights()
            kept = [own["running_mean"], own["running_var"]] if statistics else start[2:]
            layer.set_weights([own["weight"], own["bias"], *kept])
            continue
        w = own["weight"]
        if isinstance(layer, layers.DepthwiseConv2D):
            w = w.transpose(2, 3, 0, 1)
        elif w.ndim == 4:
            w = w.transpose(3, 2, 1, 0) if turned else w.transpose(2, 3, 1, 0)
        elif name == "fc1" and moved:
            w = w.reshape(40, 12, 12, 15).transpose(2, 3, 1, 0).reshape(-1, 40)
        else:
            w = w.T
        layer.set_weights([w, own["bias"]] if "bias" in own else [w])
    return model


def main(folder):
    r, f = (dict(np.load(folder / f"{name}.npz")) for name in ("resid", "flat"))
    r = {key: value for key, value in r.items() if "num_batches" not in key}
    made = {
        "resid": filled(resid(), r),
        "resid-epsilon": filled(resid(epsilon=1e-3), r),
        "resid-same": filled(resid(padding="same"), r),
        "resid-both": filled(resid(padding="same", epsilon=1e-3), r),
        "resid-statistics": filled(resid(), r, statistics=False),
        "resid-turned": filled(resid(), r, turned=True),
        "resid-scaling": filled(resid(scaling=True), r),
        "resid-large": filled(resid(size=(96, 96)), r),
        "flat": filled(flat(), f),
        "flat-slope": filled(flat(slope=0.3), f),
        "flat-tanh": filled(flat(approximate=True), f),
        "flat-order": filled(flat(), f, moved=False),
        "flat-linear": filled(flat(relu=False), f),
    }
    for name, model in made.items():
        model.save(folder / f"{name}.keras")
    made["resid"].export(str(folder / "resid-savedmodel"), verbose=False)
    made["resid-same"].export(str(folder / "resid-same-savedmodel"), verbose=False)
    x = np.load(folder / "flat-input.npy").transpose(0, 2, 3, 1)
    np.save(folder / "flat-keras-logits.npy", made["flat"].predict(x, verbose=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
