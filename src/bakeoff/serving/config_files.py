"""TensorFlow Serving's own files of settings, in protobuf's text format: models, monitoring, batching.

What has no meaning here is refused by its name: a setting that is read and does nothing would be a lie.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from bakeoff.errors import DataError, UsageError
from bakeoff.files import content
from bakeoff.serving.messages import message
from bakeoff.serving.models import Given
from bakeoff.serving.settings import Settings

MOST = 1 << 20  # bytes
OF = "tensorflow.serving."
PLATFORM = "tensorflow"  # says nothing of what is served here, and stands in every such file


def models(path: Path) -> list[Given]:
    """The models of --model_config_file: names, places, policies and labels of versions.

    Raises:
        DataError: it can't be read, or asks for what isn't there.
    """
    found = []
    for one in _read(path, "ModelServerConfig").model_config_list.config:
        if not one.name or not one.base_path:
            raise DataError(f"{path}: a model without {'name' if not one.name else 'base_path'}.")
        if one.model_platform not in ("", PLATFORM):
            raise DataError(f"{path}: model_platform {one.model_platform!r}; expected {PLATFORM!r}, or none.")
        policy, kind = one.model_version_policy, one.model_version_policy.WhichOneof("policy_choice")
        chosen: tuple[str | int, ...] = ("latest", policy.latest.num_versions or 1)
        if kind == "all":
            chosen = ("all",)
        elif kind == "specific":
            chosen = ("specific", *policy.specific.versions)
        found.append(Given(one.name, Path(one.base_path), policy=chosen, labels=dict(one.version_labels)))
    if not found:
        raise DataError(f"{path}: no model in it. Expected config {{ name, base_path }} in model_config_list.")
    return found


def metrics_path(path: Path) -> str:
    """Where --monitoring_config_file has the measures of Prometheus; "": nowhere.

    Raises:
        DataError: it can't be read.
    """
    prometheus = _read(path, "MonitoringConfig").prometheus_config
    where = str(prometheus.path) or "/monitoring/prometheus/metrics"
    if not where.startswith("/"):
        raise DataError(f"{path}: path {where!r}; expected one that begins with /.")
    return where if prometheus.enable else ""


def batching(path: Path, settings: Settings) -> Settings:
    """The settings with the rows, threads and queue of --batching_parameters_file; no batch is waited for on a CPU.

    Raises:
        DataError: it can't be read.
    """
    found = _read(path, "BatchingParameters")
    names = {"max_batch_size": "rows", "num_batch_threads": "threads", "max_enqueued_batches": "queue"}
    values = {ours: getattr(found, theirs).value for theirs, ours in names.items() if found.HasField(theirs)}
    if any(value < 1 for value in values.values()):
        raise UsageError(f"{path}: {min(values.values())}; expected 1 or more.")
    given = {"rows": settings.rows, "threads": settings.threads, "queue": settings.queue, **values}
    return replace(settings, rows=given["rows"] or 1, threads=given["threads"], queue=given["queue"])


def _read(path: Path, kind: str) -> Any:
    from google.protobuf import text_format  # type: ignore[import-untyped]

    try:
        text = content(path, MOST).decode()
        return text_format.Parse(text, message(OF + kind)())
    except OSError as error:
        raise DataError(f"{path}: {(error.strerror or 'not readable').lower()}.") from None
    except (text_format.ParseError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split()).replace(f'type "{OF}', 'type "')[:200]
        raise DataError(f"{path}: {said}. Expected {kind} in protobuf's text format.") from None
