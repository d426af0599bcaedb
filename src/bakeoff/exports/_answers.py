"""What a model says of pictures, stage by stage: the same questions to the source and, in a process of its own, to an
artefact.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np

from bakeoff import runtimes
from bakeoff.errors import BakeoffError, DataError
from bakeoff.evaluation.kinds import of, of_loss
from bakeoff.evaluation.opening import open_model
from bakeoff.files import atomic_write, read_arrays
from bakeoff.preprocessing import Signature, normalize
from bakeoff.preprocessing.pixels import draw, resize
from bakeoff.runtimes import Opened
from bakeoff.runtimes._missing import library
from bakeoff.runtimes._runtime import Mapped
from bakeoff.schemas import Array
from bakeoff.shown import visible

BATCH = 32
REFUSED = "refused"  # the digest of a picture that can't be decoded
MODES = ("1", "L", "LA", "P", "RGB", "RGBA")  # Pillow's, of what a graph decodes
BETWEEN = "; "  # of several labels of an image


@dataclass(frozen=True)
class Answers:
    """By picture; digests are SHA-256 (hex).

    Attributes:
        decoded, prepared, normalised: digests, str, (N,); empty where an artefact takes bytes and doesn't show them.
        output: what is given, (N, n).
        probabilities: (N, classes).
        labels: names, str, (N,).
        classes: names, in the order of the probabilities.
        form: `logits` or `probabilities`: what `tensor` is.
        tensor: what the net gives for normalised images; `output` is the same, or the logits of the files themselves.
        similarity: to the nearest class, (N,); (0,) where images of no class aren't told.
        unknown: bool, likewise: which those are.
        threshold: the similarity below which they are; 0 where there is none.
    """

    decoded: Array
    prepared: Array
    normalised: Array
    output: Array
    probabilities: Array
    labels: Array
    classes: Array
    form: Array
    tensor: Array
    similarity: Array
    unknown: Array
    threshold: Array

    def save(self, path: Path, **more: Any) -> None:
        """Write an `.npz`, the same bytes for the same answers."""
        with atomic_write(path) as file:
            np.savez_compressed(file, **{each.name: getattr(self, each.name) for each in fields(self)}, **more)

    @classmethod
    def of(cls, arrays: dict[str, Any]) -> Answers:
        """What `save` wrote, as `files.read_arrays` gives it; older files tell nothing of no class."""
        none = {"similarity": np.zeros(0), "unknown": np.zeros(0, bool), "threshold": np.float64(0)}
        return cls(**{each.name: {**none, **arrays}[each.name] for each in fields(cls)})


def packed(contents: Sequence[bytes]) -> dict[str, Array]:
    """Files as two arrays of an `.npz`."""
    sizes = np.array([len(one) for one in contents], np.int64)
    return {"sizes": sizes, "content": np.frombuffer(b"".join(contents), np.uint8)}


def unpacked(arrays: dict[str, Any]) -> list[bytes]:
    """The files in these arrays."""
    ends, content = np.cumsum(arrays["sizes"]), arrays["content"].tobytes()
    return [content[end - size : end] for end, size in zip(ends.tolist(), arrays["sizes"].tolist(), strict=True)]


def answers(opened: Opened, contents: Sequence[bytes], *, pixels: bool = True) -> Answers:
    """What a model says of files, whose own signature prepares them; one that takes bytes is asked by bytes, too.

    Args:
        pixels: whether digests of the stages before the net are wanted.
    """
    starts = range(0, len(contents), BATCH)
    parts = [_part(opened, contents[start : start + BATCH], pixels) for start in starts]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    more = {"form": np.array(opened.output), "threshold": np.array(float(opened.unknown or 0))}
    return Answers(**joined, classes=np.array(opened.classes), **more)


def _part(opened: Opened, contents: Sequence[bytes], pixels: bool) -> dict[str, Array]:
    images, digests = _prepared(opened.signature, contents, pixels)
    tensor, near = _values(opened, normalize(images, opened.signature))
    output = tensor
    if by_bytes := bytes_of(opened):
        output, found, names, near = by_bytes([_for_a_graph(content, opened.signature) for content in contents])
        digests = {name: rows[:0] for name, rows in digests.items()}
    else:
        kind = of(multilabel=of_loss(opened.loss).multilabel, outputs=output.shape[1])
        found = kind.probabilities(output) if opened.output == "logits" else output.astype(np.float64)
        names = list(_labels(opened, found))
    told = {"similarity": near, "unknown": near < near.dtype.type(opened.unknown or 0)}
    labels = np.array(names, str)
    return {**digests, "output": output, "probabilities": found, "labels": labels, "tensor": tensor, **told}


def _values(opened: Opened, images: Array) -> tuple[Array, Array]:
    """Logits or probabilities, (N, n), and similarities, (N,); (0,) where there are none."""
    if opened.unknown is None:
        return np.asarray(opened.runtime.predict(images)), np.zeros(0, np.float32)
    found, *_, near = cast(Mapped, opened.runtime).values(images)
    return np.asarray(found), near[:, 0]


def bytes_of(opened: Opened) -> Callable[[Sequence[bytes]], tuple[Array, Array, list[str], Array]] | None:
    """What gives logits, probabilities, labels and similarities of files, of an artefact that takes them; else None."""
    runtime: Any = opened.runtime
    runtime = getattr(runtime, "runtime", runtime)  # without its bounds
    served = getattr(getattr(runtime, "_loaded", None), "signatures", {}).get("serving_default")
    if served is None or list(served.structured_input_signature[1]) != ["bytes"]:
        return getattr(runtime, "from_bytes", None)
    tf = library("tensorflow", "tensorflow", "a SavedModel")

    def ask(contents: Sequence[bytes]) -> tuple[Array, Array, list[str], Array]:
        found = {name: one.numpy() for name, one in served(bytes=tf.constant(list(contents))).items()}
        rows = found["labels"].reshape(len(contents), -1).tolist()  # of several labels a column a class, "" for none
        labels = [BETWEEN.join(sorted(one.decode() for one in row if one)) for row in rows]
        near = found.get("similarity", np.zeros(0, np.float32))
        return found["logits"], found["probabilities"].astype(np.float64), labels, near

    return ask


def _for_a_graph(content: bytes, signature: Signature) -> bytes:
    """The file; of a kind that TensorFlow's decoders don't know (CMYK), what ours makes of it, as a PNG."""
    from PIL import Image

    with suppress(DataError, OSError, ValueError), Image.open(BytesIO(content)) as image:
        if image.mode not in MODES:
            made = BytesIO()
            draw(content, signature).image.save(made, "PNG")
            return made.getvalue()
    return content


def _labels(opened: Opened, found: Array) -> Iterator[str]:
    for shares in found:
        row = of_loss(opened.loss).row(shares, opened.classes, opened.threshold, 1)
        yield row["label"] if "label" in row else BETWEEN.join(sorted(name for name, _ in row["labels"]))


def _prepared(signature: Signature, contents: Sequence[bytes], pixels: bool) -> tuple[Array, dict[str, Array]]:
    """uint8 images, black for what can't be decoded, and the digests of each stage."""
    images = np.zeros((len(contents), *signature.size, signature.channels), np.uint8)
    rows: dict[str, list[str]] = {"decoded": [], "prepared": [], "normalised": []}
    for place, content in enumerate(contents):
        decoded = None
        with suppress(DataError):
            decoded = draw(content, signature)
            images[place] = np.asarray(resize(decoded, signature)).reshape(images.shape[1:])
        if pixels:
            rows["decoded"].append(_digest(np.asarray(decoded.image)) if decoded else REFUSED)
            rows["prepared"].append(_digest(images[place]))
            rows["normalised"].append(_digest(normalize(images[place], signature)))
    return images, {name: np.array(found, str) for name, found in rows.items()}


def _digest(array: Array) -> str:
    return hashlib.sha256(f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes()).hexdigest()


def ask(
    session: dict[str, Any], reporter: Any, *, artefact: str, pictures: str, output: str, threads: int, pixels: bool
) -> str:
    """Called in a fresh process: load an artefact, ask it, write its answers. The library that ran it.

    Args:
        artefact: what `evaluation.opening` opens.
        pictures: an `.npz` of files.
        output: the `.npz` to write.
        threads: inside an operator.
        pixels: whether digests of the stages before the net are wanted.
    """
    runtimes.end_by(_end)
    opened = session["opened"] = session.get("opened") or opened_with(artefact, threads)
    try:
        answers(opened, unpacked(read_arrays(Path(pictures))), pixels=pixels).save(Path(output))
    except BakeoffError:
        raise
    except Exception as error:  # of any library, about what the file asks for
        raise DataError(f"{artefact}: it can't be run ({' '.join(str(error).split())[:200]}).") from error
    return opened.runtime.name


def opened_with(artefact: str, threads: int) -> Opened:
    """An artefact in this process, before its library is imported: TensorFlow reads its threads then."""
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(threads))
    return open_model(artefact, threads)


def _end(text: str) -> None:
    os.write(2, visible(text.splitlines()[0]).encode() + b"\n")
    os._exit(1)
