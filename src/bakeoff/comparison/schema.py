"""report.json as a schema: what programs may rely on. docs/report.schema.json is made from it.

Further keys may come with any version; these stay, with these meanings, until `schema` is raised.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]
Interval = Annotated[list[float], Meta(min_length=2, max_length=2, description="[low, high]")]


class Checked(Struct):
    """A check of parity; `difference` is None where it isn't finite."""

    name: str
    difference: float | None
    tolerance: float
    passed: bool
    detail: str = ""


class Parity(Struct):
    """Whether the nets are the same; `held` are parameters that were held still, having no gradient but rounding."""

    passed: bool
    checks: list[Checked]
    held: list[str]


class Framework(Struct):
    """A framework's first training, and its step as `train` takes it; None where nothing was trained, or timed."""

    accuracy: Share | None
    accuracy_interval: Interval | None
    accuracy_split: str | None
    step_ms: Positive | None
    images_per_s: Positive | None
    compile_s: NotNegative | None
    peak_memory_bytes: Count | None


class Timed(Struct):
    """A contestant in a track: milliseconds a step with their interval (99 %), of its batch; input alone; seconds."""

    step_ms: Positive
    step_ms_interval: Interval
    images_per_s: Positive
    input_ms: NotNegative
    compile_s: NotNegative
    start_s: NotNegative
    peak_memory_bytes: Count
    batch_size: Count
    batch_ms: dict[str, Positive]


class Tracks(Struct):
    """By contestant; a track that was left out has no key."""

    same_loader: dict[str, Timed] = {}
    native_best: dict[str, Timed] = {}


class Ratio(Struct):
    """b's time over a's; `faster` is None where it can't be told from what a contestant shows beside itself."""

    a: str
    b: str
    what: str
    ratio: Positive
    interval: Interval
    noise: NotNegative
    smallest: NotNegative
    p_value: Share
    faster: str | None


class Predicted(Struct):
    """A form of the net that predicts, one image at a time; bytes of an export; agreement with its source."""

    ms: Positive
    ms_interval: Interval
    bytes: Count | None
    peak_memory_bytes: Count
    agreement: Share | None


class Need(Struct):
    """What to take for a need; `choice` is None where nothing can be chosen, `any` where each framework will do."""

    need: str
    choice: str | None
    why: str
    interval: Interval | None


class LeftOut(Struct):
    """What was not done, the seconds that it needs where they are known, and why."""

    what: str
    seconds: NotNegative | None = None
    why: str = ""


class Report(Struct):
    """What `bakeoff compare --json` prints and report.json holds.

    `accuracy` has a row for each framework (`mean`, `interval`, `seeds`), `margin`, `equivalent` (true, false, or null
    where the images can't tell) and `pairs`.
    """

    schema: Annotated[int, Meta(ge=1)]
    recipe: str
    data: str
    classes: list[str]
    num_train: Count
    num_test: Count
    precision: str
    parity: Parity
    frameworks: dict[str, Framework]
    accuracy: dict[str, Any]
    accuracy_split: str | None
    tracks: Tracks
    ratios: list[Ratio]
    disturbed: Annotated[int, Meta(ge=0, description="rounds in which other programs worked")]
    predictions: dict[str, Predicted]
    needs: list[Need]
    left_out: list[LeftOut]
    environment: dict[str, str]
    verdict: str


def json_schema() -> dict[str, Any]:
    """The schema as JSON Schema (draft 2020-12)."""
    import msgspec

    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(Report)}
