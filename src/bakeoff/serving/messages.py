"""The messages of both protocols, in a pool of descriptors of our own.

TensorFlow, its clients and KServe's bring files of the same names for the process's common pool, and two of them clash;
nothing is put there. A line a message: `name number kind`, `*` after the kind: repeated, `{kind}`: a map from strings,
`kind/name`: in that `oneof`. Left out is what no client of a classifier sends; unknown fields are skipped.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from bakeoff.serving.refused import invalid

# Field numbers: tensorflow/serving, tensorflow, kserve/open-inference-protocol, grpc/grpc (Apache-2.0, all of them).
MESSAGES = """
google.protobuf.Any: type_url 1 string, value 2 bytes
google.protobuf.Int64Value: value 1 int64
google.protobuf.BoolValue: value 1 bool
tensorflow.TensorShapeProto.Dim: size 1 int64, name 2 string
tensorflow.TensorShapeProto: dim 2 .tensorflow.TensorShapeProto.Dim*, unknown_rank 3 bool
tensorflow.TensorProto: dtype 1 int32, tensor_shape 2 .tensorflow.TensorShapeProto, version_number 3 int32,
 tensor_content 4 bytes, float_val 5 float*, double_val 6 double*, int_val 7 int32*, string_val 8 bytes*,
 int64_val 10 int64*, bool_val 11 bool*, half_val 13 int32*, uint32_val 16 uint32*, uint64_val 17 uint64*
tensorflow.TensorInfo: name 1 string, dtype 2 int32, tensor_shape 3 .tensorflow.TensorShapeProto
tensorflow.SignatureDef: inputs 1 {.tensorflow.TensorInfo}, outputs 2 {.tensorflow.TensorInfo}, method_name 3 string
tensorflow.BytesList: value 1 bytes*
tensorflow.FloatList: value 1 float*
tensorflow.Int64List: value 1 int64*
tensorflow.Feature: bytes_list 1 .tensorflow.BytesList/kind, float_list 2 .tensorflow.FloatList/kind,
 int64_list 3 .tensorflow.Int64List/kind
tensorflow.Features: feature 1 {.tensorflow.Feature}
tensorflow.Example: features 1 .tensorflow.Features
tensorflow.serving.ModelSpec: name 1 string, version 2 .google.protobuf.Int64Value/version_choice,
 version_label 4 string/version_choice, signature_name 3 string
tensorflow.serving.PredictRequest: model_spec 1 .tensorflow.serving.ModelSpec, inputs 2 {.tensorflow.TensorProto},
 output_filter 3 string*
tensorflow.serving.PredictResponse: outputs 1 {.tensorflow.TensorProto}, model_spec 2 .tensorflow.serving.ModelSpec
tensorflow.serving.ExampleList: examples 1 .tensorflow.Example*
tensorflow.serving.ExampleListWithContext: examples 1 .tensorflow.Example*, context 2 .tensorflow.Example
tensorflow.serving.Input: example_list 1 .tensorflow.serving.ExampleList/kind,
 example_list_with_context 2 .tensorflow.serving.ExampleListWithContext/kind
tensorflow.serving.Class: label 1 string, score 2 float
tensorflow.serving.Classifications: classes 1 .tensorflow.serving.Class*
tensorflow.serving.ClassificationResult: classifications 1 .tensorflow.serving.Classifications*
tensorflow.serving.ClassificationRequest: model_spec 1 .tensorflow.serving.ModelSpec, input 2 .tensorflow.serving.Input
tensorflow.serving.ClassificationResponse: result 1 .tensorflow.serving.ClassificationResult,
 model_spec 2 .tensorflow.serving.ModelSpec
tensorflow.serving.SignatureDefMap: signature_def 1 {.tensorflow.SignatureDef}
tensorflow.serving.GetModelMetadataRequest: model_spec 1 .tensorflow.serving.ModelSpec, metadata_field 2 string*
tensorflow.serving.GetModelMetadataResponse: model_spec 1 .tensorflow.serving.ModelSpec,
 metadata 2 {.google.protobuf.Any}
tensorflow.serving.GetModelStatusRequest: model_spec 1 .tensorflow.serving.ModelSpec
tensorflow.serving.StatusProto: error_code 1 int32, error_message 2 string
tensorflow.serving.ModelVersionStatus: version 1 int64, state 2 int32, status 3 .tensorflow.serving.StatusProto
tensorflow.serving.GetModelStatusResponse: model_version_status 1 .tensorflow.serving.ModelVersionStatus*
tensorflow.serving.Latest: num_versions 1 uint32
tensorflow.serving.All:
tensorflow.serving.Specific: versions 1 int64*
tensorflow.serving.VersionPolicy: latest 100 .tensorflow.serving.Latest/policy_choice,
 all 101 .tensorflow.serving.All/policy_choice, specific 102 .tensorflow.serving.Specific/policy_choice
tensorflow.serving.ModelConfig: name 1 string, base_path 2 string, model_platform 4 string,
 model_version_policy 7 .tensorflow.serving.VersionPolicy, version_labels 8 {int64}
tensorflow.serving.ModelConfigList: config 1 .tensorflow.serving.ModelConfig*
tensorflow.serving.ModelServerConfig: model_config_list 1 .tensorflow.serving.ModelConfigList
tensorflow.serving.PrometheusConfig: enable 1 bool, path 2 string
tensorflow.serving.MonitoringConfig: prometheus_config 1 .tensorflow.serving.PrometheusConfig
tensorflow.serving.BatchingParameters: max_batch_size 1 .google.protobuf.Int64Value,
 num_batch_threads 4 .google.protobuf.Int64Value, max_enqueued_batches 3 .google.protobuf.Int64Value
grpc.health.v1.HealthCheckRequest: service 1 string
grpc.health.v1.HealthCheckResponse: status 1 int32
inference.Empty:
inference.ServerLiveResponse: live 1 bool
inference.ServerReadyResponse: ready 1 bool
inference.ModelReadyRequest: name 1 string, version 2 string
inference.ModelReadyResponse: ready 1 bool
inference.ServerMetadataResponse: name 1 string, version 2 string, extensions 3 string*
inference.TensorMetadata: name 1 string, datatype 2 string, shape 3 int64*
inference.ModelMetadataResponse: name 1 string, versions 2 string*, platform 3 string,
 inputs 4 .inference.TensorMetadata*, outputs 5 .inference.TensorMetadata*
inference.InferParameter: bool_param 1 bool/choice, int64_param 2 int64/choice, string_param 3 string/choice,
 double_param 4 double/choice, uint64_param 5 uint64/choice
inference.InferTensorContents: bool_contents 1 bool*, int_contents 2 int32*, int64_contents 3 int64*,
 uint_contents 4 uint32*, uint64_contents 5 uint64*, fp32_contents 6 float*, fp64_contents 7 double*,
 bytes_contents 8 bytes*
inference.Tensor: name 1 string, datatype 2 string, shape 3 int64*, parameters 4 {.inference.InferParameter},
 contents 5 .inference.InferTensorContents
inference.RequestedOutput: name 1 string, parameters 2 {.inference.InferParameter}
inference.ModelInferRequest: model_name 1 string, model_version 2 string, id 3 string,
 parameters 4 {.inference.InferParameter}, inputs 5 .inference.Tensor*, outputs 6 .inference.RequestedOutput*,
 raw_input_contents 7 bytes*
inference.ModelInferResponse: model_name 1 string, model_version 2 string, id 3 string,
 parameters 4 {.inference.InferParameter}, outputs 5 .inference.Tensor*, raw_output_contents 6 bytes*
"""


def message(name: str) -> Any:
    """The class of a message."""
    from google.protobuf.message_factory import GetMessageClass  # type: ignore[import-untyped]

    return GetMessageClass(_pool().FindMessageTypeByName(name))


def parsed(kind: Any, content: bytes, wrong: str = "the message can't be parsed") -> Any:
    """A message of a class.

    Raises:
        Refused: the bytes are none.
    """
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        return kind.FromString(content)
    except DecodeError:
        raise invalid(wrong) from None


@cache
def _pool() -> Any:
    from google.protobuf.descriptor_pool import DescriptorPool  # type: ignore[import-untyped]

    pool = DescriptorPool()
    for file in file_set().file:
        pool.Add(file)
    return pool


def file_set() -> Any:
    """MESSAGES as a FileDescriptorSet, a file a package, each after those that it needs."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet  # type: ignore[import-untyped]

    files, places = FileDescriptorSet(), dict[str, Any]()
    for line in MESSAGES.strip().replace(",\n ", ", ").splitlines():
        name, _, fields = line.partition(":")
        nested = name == "tensorflow.TensorShapeProto.Dim"
        package = "tensorflow" if nested else name.rpartition(".")[0]
        if package not in places:
            before = [file.name for file in files.file]
            places[package] = files.file.add(
                name=f"bakeoff/{package}.proto", package=package, syntax="proto3", dependency=before
            )
        if nested:
            _fill(places[package].message_type.add(name="TensorShapeProto").nested_type.add(name="Dim"), fields)
            continue
        known = {one.name: one for one in places[package].message_type}
        short = name.rpartition(".")[2]
        _fill(known.get(short) or places[package].message_type.add(name=short), fields)
    return files


def _fill(made: Any, fields: str) -> None:
    for one in filter(None, fields.strip().split(", ")):
        name, number, kind = one.split()
        kind, _, choice = kind.partition("/")
        field = made.field.add(name=name, number=int(number), label=3 if kind[-1] in "*}" else 1)
        if kind.startswith("{"):
            entry = made.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
            entry.options.map_entry = True
            _type(entry.field.add(name="key", number=1, label=1), "string")
            _type(entry.field.add(name="value", number=2, label=1), kind[1:-1])
            kind = f"{made.name}.{entry.name}"
        _type(field, kind.rstrip("*"))
        if choice:
            if choice not in (known := [each.name for each in made.oneof_decl]):
                made.oneof_decl.add(name=choice)
            field.oneof_index = known.index(choice) if choice in known else len(known)


def _type(field: Any, kind: str) -> None:
    if "." in kind or kind[0].isupper():
        field.type, field.type_name = field.TYPE_MESSAGE, kind
    else:
        field.type = getattr(field, f"TYPE_{kind.upper()}")
