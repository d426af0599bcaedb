"""How the report says things: sentences in two languages, numbers in one."""

from __future__ import annotations

import math
from collections.abc import Mapping

from bakeoff.errors import UsageError

LANGUAGES = ("en", "zh")

SHARED: dict[str, dict[str, str]] = {
    "en": {
        "report": "Bakeoff report",
        "html": "en",
        "test": "test",
        "validation": "validation",
        "train": "train",
        "framework": "framework",
        "images": "images",
        "class": "class",
        "made_by": "Made by Bakeoff {version}. This file is complete in itself: it loads nothing.",
        "contents": "Contents",
    },
    "zh": {
        "report": "Bakeoff 报告",
        "html": "zh-CN",
        "test": "测试集",
        "validation": "验证集",
        "train": "训练集",
        "framework": "框架",
        "images": "张图片",
        "class": "类别",
        "made_by": "由 Bakeoff {version} 生成。本文件自成一体，不加载任何外部内容。",
        "contents": "目录",
    },
}

FRAMEWORKS = {"torch": "PyTorch", "tensorflow": "TensorFlow", "jax": "JAX", "onnxruntime": "ONNX Runtime"}


def check(language: str) -> None:
    """Raise UsageError where there are no texts in that language."""
    if language not in LANGUAGES:
        raise UsageError(f"lang is {language!r}; expected one of {', '.join(LANGUAGES)}.")


class Say:
    """Gives a sentence by its key: `say("title")`, `say("right", num=3)`."""

    def __init__(self, language: str, text: Mapping[str, Mapping[str, str]]) -> None:
        self.language = language
        self._text = {**SHARED[language], **text.get(language, {})}

    def __call__(self, key: str, **values: object) -> str:
        """The sentence of a key, with its values filled in; values are never read as templates."""
        sentence = self._text[key].replace(" %", "\N{NO-BREAK SPACE}%")
        return sentence.format(**values) if values else sentence

    def has(self, key: str) -> bool:
        """Whether there is a sentence of that key."""
        return key in self._text


def framework(name: str) -> str:
    """A framework as it writes itself."""
    return FRAMEWORKS.get(name, name)


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 1 in per cent; a dash where there is none."""
    return "–" if share is None or not math.isfinite(share) else f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def short(value: float | None) -> str:
    """A number in about three digits: 0.0123, 12.3, 1.23e-07."""
    if value is None or not math.isfinite(value):
        return "–" if value is None else str(value)
    if value == 0:
        return "0"
    magnitude = abs(value)
    if magnitude < 1e-3 or magnitude >= 1e7:
        return f"{value:.2g}"
    if magnitude >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def size(count: float | None) -> str:
    """Bytes in the unit that fits, each a thousand of the one before, as tables on the terminal have it."""
    if count is None:
        return "–"
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 999.5:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.2f} GB"
