"""SavedModels that would reach files, run without end, or fill the memory: none is loaded, none acts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bakeoff.errors import CorruptError
from bakeoff.runtimes import savedmodel

pytestmark = pytest.mark.tensorflow
MARK = "hacked"
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


def edited(path: Path, edit: Callable[[Any, Any], None]) -> Path:
    """The same file after `edit(model, its graph)`."""
    from tensorflow.core.protobuf import saved_model_pb2

    place = path / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(place.read_bytes())
    edit(model, model.meta_graphs[0])
    place.write_bytes(model.SerializeToString())
    return path


def copied(honest: Path, to: Path) -> Path:
    return Path(shutil.copytree(honest, to / "net"))


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
        functions = graph.graph_def.library.function
        held = (
            next(one for one in functions if "signature_wrapper" in one.signature.name) if in_use else functions.add()
        )
        held.signature.name = held.signature.name or "more"
        node = held.node_def.add()
        node.name, node.op = "more", operator

    return edited(path, add)


@pytest.mark.parametrize("operator", OPERATORS)
def test_what_reaches_beyond_the_model_is_refused(operator: str, honest: Path, tmp_path: Path) -> None:
    refused(holding(operator, copied(honest, tmp_path), True), operator, "--trust")


@pytest.mark.parametrize("operator", ["WriteFile", "PrintV2", "ReadFile", "OfAPlugin"])
def test_what_nobody_calls_is_refused_too(operator: str, honest: Path, tmp_path: Path) -> None:
    refused(holding(operator, copied(honest, tmp_path), False), operator)


def test_files_that_tensorflow_makes_are_refused_too(tmp_path: Path) -> None:
    """As it writes them: a loop within the signature that writes."""

    def act(tf: Any, images: Any) -> None:
        def step(i: Any) -> tuple[Any, ...]:
            tf.io.write_file(str(tmp_path / MARK), "x")
            tf.print("x", output_stream=f"file://{tmp_path / MARK}")
            return (i + 1,)

        tf.while_loop(lambda i: i < 2, step, [tf.constant(0)])

    refused(saved(tmp_path, act), "WriteFile", "PrintV2")


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


def test_a_function_of_the_file_hides_no_operator(honest: Path, tmp_path: Path) -> None:
    def hide(model: Any, graph: Any) -> None:
        functions = graph.graph_def.library.function
        served = next(one for one in functions if "signature_wrapper" in one.signature.name)
        node = served.node_def.add()
        node.name, node.op = "more", "WriteFile"
        functions.add().signature.name = "WriteFile"

    refused(edited(copied(honest, tmp_path), hide), "WriteFile")


@pytest.mark.parametrize("first", [True, False])
def test_every_function_of_a_name_is_looked_at(first: bool, honest: Path, tmp_path: Path) -> None:
    def twice(model: Any, graph: Any) -> None:
        functions = graph.graph_def.library.function
        served = next(one for one in functions if "signature_wrapper" in one.signature.name)
        other = functions.add()
        other.CopyFrom(served)
        node = (served if first else other).node_def.add()
        node.name, node.op = "more", "WriteFile"

    refused(edited(copied(honest, tmp_path), twice), "WriteFile")


def test_a_function_that_stands_in_for_another_is_no_saver(honest: Path, tmp_path: Path) -> None:
    def swap(model: Any, graph: Any) -> None:
        saver = next(one for one in graph.graph_def.library.function if "traced_save" in one.signature.name)
        saver.attr["api_implements"].s = b"x"

    refused(edited(copied(honest, tmp_path), swap), "SaveV2")


def test_a_saver_that_the_model_calls_is_none(honest: Path, tmp_path: Path) -> None:
    def call(model: Any, graph: Any) -> None:
        saver = next(one for one in graph.graph_def.library.function if "traced_save" in one.signature.name)
        served = next(one for one in graph.graph_def.library.function if "signature_wrapper" in one.signature.name)
        node = served.node_def.add()
        node.name, node.op = "more", "PartitionedCall"
        node.attr["f"].func.name = saver.signature.name

    refused(edited(copied(honest, tmp_path), call), "SaveV2")


def test_objects_that_restore_or_read_by_themselves_are_refused(honest: Path, tmp_path: Path) -> None:
    def restore(model: Any, graph: Any) -> None:
        graph.object_graph_def.nodes[1].saveable_objects["a"].restore_function = 1

    def saver(model: Any, graph: Any) -> None:
        graph.object_graph_def.nodes[1].registered_saver = "own.Saver"

    def asset(model: Any, graph: Any) -> None:
        graph.object_graph_def.nodes.add().asset.asset_file_def_index = 0

    for place, (edit, said) in enumerate(
        ((restore, "functions of the file"), (saver, "own.Saver"), (asset, "other files"))
    ):
        refused(edited(copied(honest, tmp_path / str(place)), edit), said)


def test_graphs_of_tensorflow_1_are_refused(honest: Path, tmp_path: Path) -> None:
    """Their graph is run as they are loaded."""

    def old(model: Any, graph: Any) -> None:
        graph.ClearField("object_graph_def")

    def two(model: Any, graph: Any) -> None:
        model.meta_graphs.add().CopyFrom(graph)

    for place, edit in enumerate((old, two)):
        refused(edited(copied(honest, tmp_path / str(place)), edit), "TensorFlow 1")


@pytest.mark.parametrize("name", ["saved_model.pbtxt", "saved_model.cpb"])
def test_a_second_graph_beside_the_first_is_refused(name: str, honest: Path, tmp_path: Path) -> None:
    path = copied(honest, tmp_path)
    (path / name).write_bytes(b"")
    refused(path, name)
