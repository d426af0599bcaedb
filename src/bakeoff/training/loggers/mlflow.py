"""MLflow: settings, figures by step and the recipe, where MLFLOW_TRACKING_URI says; else where MLflow itself would.

Tried with MLflow 3.17, which refuses plain folders unless MLFLOW_ALLOW_FILE_STORE=true: a database
(sqlite:///mlflow.db) or a server is what it wants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bakeoff.errors import MissingDependencyError, UsageError
from bakeoff.graph import Graph
from bakeoff.schemas import Array, Predictions

EVERY = 20  # steps between two figures: each is a request where the tracking server is far away


def start(path: Path, resumed_from: int | None) -> MLflow:
    """A logger that writes to the current tracking server.

    Raises:
        MissingDependencyError: MLflow isn't installed.
        UsageError: it can't write where it is told to.
    """
    if find_spec("mlflow") is None:
        raise MissingDependencyError("mlflow", "", "--log mlflow", "Install it: pip install mlflow")
    return MLflow(path)


class MLflow:
    """See `bakeoff.training.loggers.Logger`."""

    def __init__(self, path: Path) -> None:
        import mlflow

        self._mlflow, self._path, self._step = mlflow, path, 0
        try:
            mlflow.start_run(run_name=path.name)
        except Exception as error:  # MLflow's own, and those of what it stores with
            reason = str(error).split(". ")[0].strip().rstrip(".")
            raise UsageError(
                f"--log mlflow: MLflow can't write to {mlflow.get_tracking_uri()}: {reason}.\n"
                "Set MLFLOW_TRACKING_URI, as to sqlite:///mlflow.db or to a server."
            ) from error

    def begin(self, graph: Graph, images: Array) -> None:
        """The recipe and the number of parameters."""
        self._mlflow.log_param("parameters", graph.count())
        recipe = self._path / "recipe.toml"
        if recipe.is_file():
            self._mlflow.log_artifact(str(recipe))

    def row(self, log: str, row: Mapping[str, Any]) -> None:
        """The numbers of every twentieth step and of every epoch."""
        if log == "metrics.jsonl":
            self._step = int(row["step"])
            if self._step % EVERY:
                return
        numbers = {k: float(v) for k, v in row.items() if k not in ("step", "epoch") and isinstance(v, (int, float))}
        self._mlflow.log_metrics(numbers, step=self._step)

    def epoch(self, step: int, weights: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
        """Nothing: MLflow has no histograms."""

    def end(self, scores: Mapping[str, float], predictions: Predictions | None, classes: Sequence[str]) -> None:
        """Final figures."""
        self._mlflow.log_metrics({name.replace("/", "_"): value for name, value in scores.items()}, step=self._step)

    def close(self) -> None:
        """End MLflow's run."""
        self._mlflow.end_run()
