"""The signatures of a served model: what clients may send, and what they get.

serving_default  bytes, strings (N,): image files            -> labels, probabilities, logits
serve_images     images, uint8 (N, H, W, C): of its size     -> labels, probabilities, logits
serve_tensor     input, float32 (N, H, W, C): normalised     -> logits, or probabilities of several labels
classify         inputs, strings (N,): tf.Example's          -> classes, scores: the most probable first

Where the model tells images of no class, all but the last (of which TensorFlow Serving takes two outputs) also give
`unknown`, bool (N,), and `similarity`, float32 (N,).
A tf.Example has the file in its feature `image/encoded`. Files are prepared one by one, each at its own size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bakeoff.bundle import Bundle
from bakeoff.exports.serving.answers import answered, known, ranked
from bakeoff.exports.serving.stages import normalized, prepared

FEATURE = "image/encoded"
AT_ONCE = 2  # files of a call that are decoded at the same time: each takes several times its pixels

Endpoint = tuple[Callable[..., Mapping[str, Any]], list[Any]]
"""A function, and the specifications of its arguments."""


def endpoints(tf: Any, net: Any, bundle: Bundle, shape: tuple[int, int, int]) -> dict[str, Endpoint]:
    """The signatures by name.

    Args:
        tf: TensorFlow.
        net: from normalised images, float32 (N, H, W, C), to logits, or to a list of these and similarities (N, 1).
        bundle: what it is.
        shape: (height, width, channels).
    """

    def values(images: Any) -> tuple[Any, ...]:
        found = net(images, training=False)
        return tuple(found) if isinstance(found, list) else (found,)

    def of_images(images: Any) -> tuple[Any, ...]:
        return values(normalized(tf, images, bundle.signature))

    def of_files(files: Any) -> tuple[Any, ...]:
        kept = tf.TensorSpec((*bundle.signature.size, bundle.signature.channels), tf.uint8)
        images = tf.map_fn(
            lambda file: prepared(tf, file, bundle.signature),
            files,
            fn_output_signature=kept,
            parallel_iterations=AT_ONCE,
        )
        return of_images(images)

    given = [tf.TensorSpec((None,), tf.string)]
    of_files = tf.function(of_files, autograph=False, input_signature=given)  # one graph for two signatures

    def serving_default(bytes: Any) -> Mapping[str, Any]:
        return answered(tf, bundle, *of_files(bytes))

    def serve_images(images: Any) -> Mapping[str, Any]:
        return answered(tf, bundle, *of_images(images))

    def serve_tensor(input: Any) -> Mapping[str, Any]:
        logits, *near = values(input)
        return (
            {"probabilities": tf.sigmoid(logits)} if bundle.multilabel else {"logits": logits, **known(bundle, *near)}
        )

    def classify(inputs: Any) -> Mapping[str, Any]:
        found = tf.io.parse_example(inputs, {FEATURE: tf.io.FixedLenFeature((), tf.string)})
        return ranked(tf, of_files(found[FEATURE])[0], bundle)

    def strings(name: str) -> Any:
        return tf.TensorSpec((None,), tf.string, name=name)

    return {
        "serving_default": (serving_default, [strings("bytes")]),
        "serve_images": (serve_images, [tf.TensorSpec((None, *shape), tf.uint8, name="images")]),
        "serve_tensor": (serve_tensor, [tf.TensorSpec((None, *shape), tf.float32, name="input")]),
        "classify": (classify, [strings("inputs")]),
    }
