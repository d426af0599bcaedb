"""Keras model -> graph: functional, Sequential and nested models, and calls of keras.ops between their layers.

    captured = capture(keras.applications.MobileNetV2(weights=None))
    captured.graph        gives logits; a final softmax is left off, and `captured.head` says which
    captured.signature    what the model wants of an image, where that is known
    write_back(captured, arrays, model)

What a layer means stands in the pages of operators (FROM_KERAS). A layer that none knows is refused by name.
"""

from bakeoff.frameworks._keras.capture.capture import capture
from bakeoff.frameworks._keras.capture.captured import Captured, Origin
from bakeoff.frameworks._keras.capture.channel import with_channel
from bakeoff.frameworks._keras.capture.write_back import write_back

__all__ = ["Captured", "Origin", "capture", "with_channel", "write_back"]
