"""From logits to what clients are told, in TensorFlow's operators: `evaluation.kinds` again.

single       softmax in float64; the label of the largest logit
binary       (1 - p, p) of one logit's sigmoid; the second label where the logit is above 0
multilabel   a sigmoid a class in float64; at each class its name from the threshold on, else ""
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.bundle import Bundle


def answered(tf: Any, bundle: Bundle, logits: Any, *near: Any) -> dict[str, Any]:
    """Labels, probabilities and logits, and what `known` gives.

    Args:
        tf: TensorFlow.
        bundle: whose net gave the rest.
        logits: float32, (N, classes), or (N, 1) for two classes.
        near: similarities, (N, 1), or nothing.

    Returns:
        `labels`, strings (N,), of several labels an image (N, classes); `probabilities`, float32 (N, classes);
        `logits` as given.
    """
    names = tf.constant(list(bundle.classes))
    shares = _probabilities(tf, logits, bundle)
    if bundle.multilabel:
        labels = tf.where(shares >= bundle.threshold, names, "")
    elif logits.shape[-1] == 1:
        labels = tf.gather(names, tf.cast(logits[:, 0] > 0, tf.int32))
    else:
        labels = tf.gather(names, tf.argmax(logits, -1))
    return {"labels": labels, "probabilities": tf.cast(shares, tf.float32), "logits": logits, **known(bundle, *near)}


def known(bundle: Bundle, *near: Any) -> dict[str, Any]:
    """Which images are of no class, and their similarities; of a model that can't tell, nothing."""
    if bundle.unknown is None:
        return {}
    similarity = near[0][:, 0]
    return {"unknown": similarity < np.float32(bundle.unknown.threshold), "similarity": similarity}


def ranked(tf: Any, logits: Any, bundle: Bundle) -> dict[str, Any]:
    """All classes of each image, the most probable first, as Classify answers: `classes`, strings, and `scores`."""
    shares = tf.cast(_probabilities(tf, logits, bundle), tf.float32)
    scores, places = tf.math.top_k(shares, k=len(bundle.classes))
    return {"classes": tf.gather(tf.constant(list(bundle.classes)), places), "scores": scores}


def _probabilities(tf: Any, logits: Any, bundle: Bundle) -> Any:
    wide = tf.cast(logits, tf.float64)
    if bundle.multilabel:
        return tf.sigmoid(wide)
    if logits.shape[-1] == 1:
        wide = tf.concat([tf.zeros_like(wide), wide], -1)
    return tf.nn.softmax(wide)
