"""The output files: written in the process that holds the framework, read back at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff import checkpoints, registry
from bakeoff.bundle import Bundle
from bakeoff.errors import DataError
from bakeoff.exports._text import text
from bakeoff.files import atomic_write
from bakeoff.graph.graph import Graph
from bakeoff.graph.passes import prune
from bakeoff.parity import relative
from bakeoff.recipe import loads
from bakeoff.schemas import Array
from bakeoff.zoo import listing
from bakeoff.zoo.opening import Opened

STATE_DICTS = (".pth", ".pt", ".bin", ".safetensors")
TORCH = (*STATE_DICTS, ".pt2")  # anything else is a folder, as transformers has it


def write(found: Opened | None, bundle: Bundle, to: str, output: Path) -> None:
    """Write the source in its own library's way (`found`), or the captured graph in another library's."""
    if to == "torch" and output.suffix not in TORCH:
        if found is not None and found.save is not None:
            found.save(output)
        else:
            library, native, _, origin = library_net(bundle) or _no_folder(output)
            library.save(native, output, bundle.signature, origin)
    elif found is not None and found.state_dict is not None:
        write_state(found.state_dict(None), output, found.native)
    elif found is not None:
        from bakeoff.runtimes import keras_file

        keras_file.save(found.native, output)
        keras_file.sidecar(output).write_text(text(bundle), encoding="utf-8")
    elif to == "torch" and output.suffix in STATE_DICTS:
        write_state(_rebuilt_state(bundle), output)
    else:
        registry.load("bakeoff.exports.formats", to, what="format").write(bundle, output)


def read_back(
    found: Opened | None, bundle: Bundle, to: str, output: Path, images: Array, expected: Array
) -> dict[str, Any]:
    """What the file that was written gives.

    Args:
        images, expected: float32, and what the source gives of them; where the output is the source's own library's,
            it is asked anew.

    Returns:
        `difference`: arrays that differ (state dicts), or of the largest logit; `custom`: the layers in a `.keras` file
        that plain Keras doesn't have.
    """
    if to == "torch" and output.suffix not in TORCH:
        expected_state = found.state_dict(None) if found and found.state_dict else (library_net(bundle) or ({},) * 3)[2]
        library = listing.source(str(listing.writer_of(output)))
        return {"difference": differing(library.state_of(output), expected_state), "custom": []}
    if found is not None and found.state_dict is not None:
        different = bits(output, found.state_dict(None))
        if not different:
            from bakeoff.frameworks.torch.arrays import tensors

            found.native.load_state_dict(tensors(checkpoints.read(output), found.native), strict=True)
        return {"difference": different, "custom": []}
    if to == "torch" and output.suffix in STATE_DICTS:
        return {"difference": bits(output, _rebuilt_state(bundle)), "custom": []}
    if found is not None:
        from bakeoff.frameworks._keras.arrays import predict

        expected = predict(found.native, images)
    return {"difference": relative(_logits(output, images), expected), "custom": _custom(output)}


def _logits(path: Path, images: Array) -> Array:
    """What the file itself gives."""
    from bakeoff.runtimes import keras_file, onnxruntime, torch_export

    runtimes: dict[str, Any] = {".keras": keras_file, ".onnx": onnxruntime, ".pt2": torch_export}
    found: Array = runtimes[path.suffix].load(path).predict(images)
    return found


def _custom(path: Path) -> list[str]:
    if path.suffix != ".keras":
        return []
    from bakeoff.checkpoints.keras import check, custom

    return custom(check(path))


def _rebuilt_state(bundle: Bundle) -> dict[str, Array]:
    """What the library of the backbone loads; else that of the rebuilt module, for `bakeoff.load(run).to_torch()`."""
    from bakeoff import frameworks

    found = library_net(bundle)
    if found is not None:
        return found[2]
    native = frameworks.load("torch").native(bundle.graph).native
    return {name: tensor.detach().numpy() for name, tensor in native.state_dict().items()}


def origin_of(bundle: Bundle) -> str | None:
    """The library's model that a bundle is, whole: the backbone of its run, or what it was converted from."""
    if bundle.recipe_toml:
        chosen = loads(bundle.recipe_toml).model
        name = chosen.backbone or ""
        return name if not chosen.until and "+" not in name and listing.is_name(name) else None
    found = dict(bundle.extra.get("origin") or {})
    return "transformers/." if "config" in found else None


def library_net(bundle: Bundle) -> tuple[Any, Any, dict[str, Array], Path | None] | None:
    """For what is a whole model of a library: the library, that model with so many classes, its state dict, its folder.

    The new head's numbers go where the library has its own head's.
    """
    name = origin_of(bundle)
    if name is None:
        return None
    head, model, tag = listing.split(name)
    library, folder = listing.source(head), None
    if library.FRAMEWORK != "torch":
        return None
    from bakeoff.frameworks.torch.arrays import tensors
    from bakeoff.frameworks.torch.capture import capture

    classes = int(str(bundle.graph.output_shape[-1]))
    if not bundle.recipe_toml:
        native = library.made(bundle.extra["origin"]["config"], classes)
    else:
        folder = library.place(model, tag) if hasattr(library, "place") else None
        if folder and len(bundle.classes) != classes:
            raise DataError(
                f"one logit for {' or '.join(bundle.classes)}: {head} has a logit for every class.\nWrite a .pt2 file "
                "(--output NAME.pt2), or train with --set model.loss=softmax_cross_entropy."
            )
        native = library.build(str(folder or model), classes=classes, input_size=chosen_size(bundle))
        if folder:
            library.renamed(native, bundle.classes, bundle.multilabel)
    captured = capture(native, input_size=bundle.signature.size, channels=bundle.signature.channels)
    heads = dict(zip(_head(captured.graph), _head(bundle.graph), strict=True))
    held = bundle.graph.parameters
    arrays = {
        path: held[heads.get(path, path)].array for path in captured.graph.parameters if heads.get(path, path) in held
    }
    left = [p for p in captured.graph.parameters if p not in arrays and captured.graph.parameters[p].role == "weight"]
    if left:
        raise DataError(f"{name}: the run has no weights for {left[0]!r}. Write a .pt2 file: --output NAME.pt2")
    state = captured.state_dict(arrays)
    native.load_state_dict(tensors(state, native), strict=True)
    return library, native, state, folder


def _no_folder(output: Path) -> Any:
    raise DataError(
        f"--output {output}: a folder is written for models of transformers. Give a file: --output NAME.pt2"
    )


def chosen_size(bundle: Bundle) -> tuple[int, int] | None:
    """The size of the images, where the run set another than the backbone's own."""
    return loads(bundle.recipe_toml).input.size


def _head(graph: Graph) -> list[str]:
    """The parameters of the layer that gives the logits, by slot."""
    for node in reversed(prune(graph, keep_passengers=True).nodes):
        if node.parameters:
            return [str(node.parameters[slot]) for slot in sorted(node.parameters)]
    return []


def write_state(state: dict[str, Array], output: Path, module: Any = None) -> None:
    """A state dict as torch.save or safetensors writes it.

    Args:
        module: whose state it is; its versions go along, without which MNASNet takes no state dict.

    Raises:
        OSError: the file can't be written.
    """
    if output.suffix == ".safetensors":
        from safetensors.numpy import save as content_of  # save_file's error for a full disk is no OSError

        with atomic_write(output) as file:
            file.write(content_of({name: np.asarray(array, order="C") for name, array in state.items()}))
        return
    from bakeoff.frameworks.torch.arrays import save, tensors

    save(tensors(state, module), output)


def bits(output: Path, state: dict[str, Array]) -> float:
    """How many of the arrays that were written don't come back bit for bit."""
    return differing(checkpoints.read(output), state)


def differing(back: dict[str, Array], state: dict[str, Array]) -> float:
    """How many arrays differ; infinity where one has others than the other."""
    if set(back) != set(state):
        return float("inf")
    return float(sum(not np.array_equal(back[name], state[name], equal_nan=True) for name in state))


def rebundled(bundle: Bundle, **extra: Any) -> Bundle:
    """The bundle with more to say."""
    return replace(bundle, extra={**bundle.extra, **extra})
