"""tf.Example, from JSON and from messages, and what is classified of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bakeoff.schemas import Array
from bakeoff.serving.messages import message
from bakeoff.serving.model import CLASSIFY, DEFAULT, EXAMPLES, Served, Share
from bakeoff.serving.refused import Refused, invalid
from bakeoff.serving.tensors import Signature, strings, within
from bakeoff.serving.wire._json import encoded, is_base64, shown, type_of, unpacked

COPIED = 64 << 20  # bytes of a context, once for each example
_WORDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}


def from_json(request: dict[str, Any], most: int) -> list[bytes]:
    """The serialized examples of a classify request, each after what all have in common.

    Args:
        request: the JSON.
        most: examples that the model takes.

    Raises:
        Refused: as TensorFlow Serving.
    """
    context = _example(request["context"]) if "context" in request else b""
    if "examples" not in request:
        said = "When method is classify, key 'examples' is expected and was not found"
        raise invalid(f"JSON Value: {shown(request)} {said}")
    found = request["examples"]
    if not isinstance(found, list):
        raise invalid(f"JSON Value: {shown(request)} Expecting 'examples' value to be an list/array")
    if not found:
        raise invalid(f"JSON Value: {shown(request)} 'examples' value is an empty array")
    within(len(found), most)
    return _each(context, (_example(one) for one in found), len(found))


def from_input(given: Any) -> list[bytes]:
    """The serialized examples of an Input message.

    Raises:
        Refused: there is none.
    """
    with_context = given.WhichOneof("kind") == "example_list_with_context"
    listed: Any = given.example_list_with_context if with_context else given.example_list
    context = listed.context.SerializeToString() if with_context else b""
    if not listed.examples:
        raise invalid("Input is empty.")
    return _each(context, (one.SerializeToString() for one in listed.examples), len(listed.examples))


def _each(context: bytes, examples: Iterable[bytes], count: int) -> list[bytes]:
    """What all have in common before each: a message of 30 MiB may ask for a thousand copies of nearly all of it."""
    if len(context) * count > COPIED:
        raise invalid(f"The context of {len(context):,} bytes for {count:,} examples is more than {COPIED:,} bytes.")
    return [context + one for one in examples]


def classified(served: Served, asked: str, examples: list[bytes], share: Share) -> dict[str, Array]:
    """Classes and scores, by the signature that was asked for.

    Raises:
        Refused: it doesn't classify.
    """
    name = asked or DEFAULT
    signature = _signature(served, name)
    _one_input(signature, "classification")
    if name != CLASSIFY:
        raise _no_such("classification", "inputs", signature)
    return served.run(CLASSIFY, {EXAMPLES: strings(examples)}, share)


def no_regression(served: Served, asked: str) -> Refused:
    """What is said to those who ask for it."""
    signature = _signature(served, asked or DEFAULT)
    _one_input(signature, "regression")
    if len(signature.outputs) != 1:
        return invalid("Expected one output Tensor.")
    return _no_such("regression", "inputs", signature)


def _signature(served: Served, name: str) -> Signature:
    if name not in served.signatures:
        raise invalid(f"No signature was found with the name: {name}")
    return served.signatures[name]


def _one_input(signature: Signature, what: str) -> None:
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if EXAMPLES not in signature.inputs:
        raise _no_such(what, "inputs", signature)


def _no_such(what: str, side: str, signature: Signature) -> Refused:
    names = ", ".join(getattr(signature, side))
    return Refused("FAILED_PRECONDITION", f"No {what} {side} found in SignatureDef: {side} {{{names}}}")


def _example(value: Any) -> bytes:
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {type_of(value)}")
    made = message("tensorflow.Example")()
    for name, content in value.items():
        feature = made.features.feature[encoded(name).decode("utf-8", "replace")]
        for one in content if isinstance(content, list) else [content]:
            _add(one, name, feature)
    found: bytes = made.SerializeToString()
    return found


def _add(value: Any, name: str, feature: Any) -> None:
    if value is None or isinstance(value, list) or (isinstance(value, dict) and not is_base64(value)):
        raise invalid(f"Feature: {name} has element with unexpected JSON type: {type_of(value)}")
    whole = isinstance(value, int)  # true and false, too
    kind = "int64_list" if whole else "float_list" if isinstance(value, float) else "bytes_list"
    before = feature.WhichOneof("kind")
    if before not in (None, kind):
        raise invalid(f"Unexpected element type in feature: {name} expecting type: {_WORDS[before]}")
    if whole and not -(1 << 63) <= value < 1 << 63:
        raise invalid(f"Feature: {name} has uint64 element. Only int64 is supported.")
    content = unpacked(value["b64"]) if isinstance(value, dict) else encoded(value) if isinstance(value, str) else value
    content = int(content) if whole else content
    getattr(feature, kind).value.append(content)
