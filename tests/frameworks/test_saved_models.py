"""SavedModels that would reach files, run without end, or fill the memory: none is loaded, none acts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bakeoff.errors import CorruptError
from bakeoff.runtimes import savedmodel

pytestmark = pytest.mark.tensorflow
MARK, SERVES = "hacked", "signature_wrapper"
IMAGE = (None, 4, 4, 3)


def saved(folder: Path, act: Callable[[Any, Any], object]) -> Path:
    """A SavedModel whose signature acts before it answers: `act(tf, images)`."""
    import tensorflow as tf

    class Net(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.weight = tf.Variable(tf.ones((3, 2)))

        @tf.function(input_signature=[tf.TensorSpec(IMAGE, tf.float32)])  # type: ignore[untyped-decorator]
        def __call__(self, images: Any) -> Any:
            act(tf, images)
            return {"logits": tf.reduce_mean(images, (1, 2)) @ self.weight}

    net = Net()
    tf.saved_model.save(net, str(folder / "net"), {"serving_default": net.__call__})
    return folder / "net"


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("honest"), lambda tf, images: None)


@pytest.fixture
def net(honest: Path, tmp_path: Path) -> Path:
    """An honest file to be edited."""
    return Path(shutil.copytree(honest, tmp_path / "net"))


def edited(path: Path, edit: Callable[[Any, Any], None]) -> Path:
    """The same file after `edit(model, its graph)`."""
    from tensorflow.core.protobuf import saved_model_pb2

    place = path / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(place.read_bytes())
    edit(model, model.meta_graphs[0])
    place.write_bytes(model.SerializeToString())
    return path


def named(graph: Any, part: str) -> Any:
    """The function whose name has that part."""
    return next(one for one in graph.graph_def.library.function if part in one.signature.name)


def added(function: Any, operator: str) -> Any:
    node = function.node_def.add()
    node.name, node.op = "more", operator
    return node


def refused(path: Path, *names: str) -> None:
    with pytest.raises(CorruptError) as caught:
        savedmodel.load(path)
    assert all(name in str(caught.value) for name in names), caught.value
    assert not list(path.parent.rglob(f"{MARK}*"))


OPERATORS = re.findall(
    r"\w+",
    """PrintV2 Print WriteFile ReadFile MatchingFiles SaveV2 Save SaveSlices RestoreV2 Restore MergeV2Checkpoints
    CreateSummaryFileWriter CreateSummaryDbWriter WriteScalarSummary TextLineDataset TFRecordDatasetV2 SqlDataset
    LMDBReader FixedLengthRecordDatasetV2 CacheDatasetV2 CSVDatasetV2 SnapshotDatasetV2 SaveDatasetV2 LoadDataset
    DataServiceDatasetV4 WholeFileReaderV2 DebugIdentityV2 DebugIdentity DebugNumericSummaryV2 PyFunc PyFuncStateless
    EagerPyFunc FIFOQueueV2 Barrier InitializeTableFromTextFileV2 ImmutableConst LoadAndRemapMatrix DatasetToTFRecord
    GenerateVocabRemapping Abort RemoteCall Recv CollectiveReduceV3 ExperimentalSleepDataset XlaLaunch OfAPlugin""",
)


def holding(operator: str, path: Path, in_use: bool) -> Path:
    """A file with one more operator, in the function that serves, or in one that nobody calls."""

    def add(model: Any, graph: Any) -> None:
        held = named(graph, SERVES) if in_use else graph.graph_def.library.function.add()
        held.signature.name = held.signature.name or "more"
        added(held, operator)

    return edited(path, add)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("in_use", [True, False], ids=["in use", "called by nobody"])
def test_what_reaches_beyond_the_model_is_refused(operator: str, in_use: bool, net: Path) -> None:
    if in_use or operator not in savedmodel.SAVES:  # nobody calls TensorFlow's own saver, either
        refused(holding(operator, net, in_use), operator, "--trust")


def test_files_that_tensorflow_makes_are_refused_too(tmp_path: Path) -> None:
    """As it writes them: a loop within the signature that writes."""

    def act(tf: Any, images: Any) -> None:
        def step(i: Any) -> tuple[Any, ...]:
            tf.io.write_file(str(tmp_path / MARK), "x")
            tf.print("x", output_stream=f"file://{tmp_path / MARK}")
            return (i + 1,)

        tf.while_loop(lambda i: i < 2, step, [tf.constant(0)])

    refused(saved(tmp_path, act), "WriteFile", "PrintV2")


@pytest.mark.parametrize("channels", [0, 3])
def test_a_decoder_is_told_how_many_channels_it_gives(channels: int, tmp_path: Path) -> None:
    """Left to itself, TensorFlow 2.21 writes an animated WebP beyond its memory, whichever decoder has it."""

    def act(tf: Any, images: Any) -> None:
        tf.io.decode_png(tf.strings.as_string(images[0, 0, 0, 0]), channels=channels)
        tf.io.decode_gif(tf.strings.as_string(images[0, 0, 0, 0]))  # three, always

    path = saved(tmp_path, act)
    if channels:
        savedmodel.load(path)
    else:
        refused(path, "DecodePng")


def test_a_saver_is_none_because_its_argument_is_called_so(tmp_path: Path) -> None:
    def act(tf: Any, images: Any) -> None:
        @tf.function(input_signature=[tf.TensorSpec((), tf.string)])  # type: ignore[untyped-decorator]
        def inner(file_prefix: Any) -> Any:
            tf.raw_ops.SaveV2(prefix=file_prefix, tensor_names=["a"], shape_and_slices=[""], tensors=[tf.ones(1)])
            tf.io.write_file(file_prefix, "x")
            return tf.ones(1)

        inner(str(tmp_path / MARK))

    refused(saved(tmp_path, act), "SaveV2", "WriteFile")


def test_an_honest_model_is_loaded(honest: Path) -> None:
    runtime = savedmodel.load(honest)
    np.testing.assert_allclose(runtime.predict(np.ones((2, 4, 4, 3), np.float32)), np.full((2, 2), 3.0))


def hides(model: Any, graph: Any) -> None:
    added(named(graph, SERVES), "WriteFile")
    graph.graph_def.library.function.add().signature.name = "WriteFile"


def twice(model: Any, graph: Any, first: bool = False) -> None:
    served, other = named(graph, SERVES), graph.graph_def.library.function.add()
    other.CopyFrom(served)
    added(served if first else other, "WriteFile")


def stands_in(model: Any, graph: Any) -> None:
    named(graph, "traced_save").attr["api_implements"].s = b"x"


def is_called(model: Any, graph: Any) -> None:
    added(named(graph, SERVES), "PartitionedCall").attr["f"].func.name = named(graph, "traced_save").signature.name


def restores(model: Any, graph: Any) -> None:
    graph.object_graph_def.nodes[1].saveable_objects["a"].restore_function = 1


def has_a_saver(model: Any, graph: Any) -> None:
    graph.object_graph_def.nodes[1].registered_saver = "own.Saver"


def has_an_asset(model: Any, graph: Any) -> None:
    graph.object_graph_def.nodes.add().asset.asset_file_def_index = 0


EDITS = {
    "a function that hides an operator": (hides, "WriteFile"),
    "two functions of a name": (twice, "WriteFile"),
    "two functions of a name, the first": (partial(twice, first=True), "WriteFile"),
    "a function that stands in for another is no saver": (stands_in, "SaveV2"),
    "a saver that the model calls is none": (is_called, "SaveV2"),
    "objects that restore by themselves": (restores, "functions of the file"),
    "objects with a saver of their own": (has_a_saver, "own.Saver"),
    "objects that read by themselves": (has_an_asset, "other files"),
    "a graph of TensorFlow 1, which is run as it is loaded": (
        lambda model, graph: graph.ClearField("object_graph_def"),
        "TensorFlow 1",
    ),
    "two graphs": (lambda model, graph: model.meta_graphs.add().CopyFrom(graph), "TensorFlow 1"),
}


@pytest.mark.parametrize("name", EDITS)
def test_what_acts_by_another_way_is_refused(name: str, net: Path) -> None:
    edit, said = EDITS[name]
    refused(edited(net, edit), said)


@pytest.mark.parametrize("name", ["saved_model.pbtxt", "saved_model.cpb"])
def test_a_second_graph_beside_the_first_is_refused(name: str, net: Path) -> None:
    (net / name).write_bytes(b"")
    refused(net, name)
