"""float64 that stays float64 on JAX.

Keras maps float64 to float32 when it promotes dtypes, on every backend but TensorFlow, so that means and
normalisations of float64 values are computed in float32 (wrong by 3e-7 in a BatchNorm). JAX itself has float64 only
when told. Both are settings of the whole process: the judge's runs turn them on before a net is built.
"""

from __future__ import annotations


def enable() -> None:
    """Make float64 mean float64 in this process; nothing to do on TensorFlow.

    Call it after KERAS_BACKEND is set and before the first net is built.
    """
    import keras

    if keras.backend.backend() != "jax":
        return
    import jax
    from keras.src.backend.common import dtypes

    jax.config.update("jax_enable_x64", True)
    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
