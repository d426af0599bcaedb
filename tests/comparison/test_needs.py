"""The verdict by need is a table of rules: each rule, each way it can come out, and the words for it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bakeoff.comparison.needs import call_overhead, needs, rules
from bakeoff.comparison.verdict import verdict
from bakeoff.exports import names


def row(step_ms: float, **more: Any) -> dict[str, Any]:
    batch = {"1": 0.1 * step_ms, "32": 0.6 * step_ms, "64": step_ms}
    usual = {"batch_size": 64, "batch_ms": batch, "start_s": 5.0, "peak_memory_bytes": 5e8}
    return {"step_ms": step_ms, **usual, **more}


def ratio(a: str, b: str, what: str, value: float, faster: str | None, smallest: float = 0.03) -> dict[str, Any]:
    interval = [value * 0.98, value * 1.02]
    return {
        "a": a,
        "b": b,
        "what": what,
        "ratio": value,
        "interval": interval,
        "noise": 0.01,
        "smallest": smallest,
        "faster": faster,
    }


def result(**more: Any) -> dict[str, Any]:
    """torch is 1.5 times as fast as TensorFlow with images in memory, and no slower with pipelines; all else alike."""
    rows = {"torch-eager": row(10.0), "keras-tensorflow-graph": row(15.0)}
    found: dict[str, Any] = {
        "parity": {"passed": True},
        "tracks": {"same_loader": rows, "native_best": rows},
        "ratios": [
            ratio("torch-eager", "keras-tensorflow-graph", "same_loader.step_ms", 1.5, "torch-eager"),
            ratio("torch-eager", "keras-tensorflow-graph", "native_best.step_ms", 1.01, None),
        ],
        "predictions": {},
        "price": None,
    }
    return found | more


def changed(**rows: Any) -> dict[str, Any]:
    """The same, with rows of torch changed."""
    other = {"torch-eager": row(10.0, **rows), "keras-tensorflow-graph": row(15.0)}
    return result(tracks={"same_loader": other, "native_best": other}, ratios=result()["ratios"][:1])


SERVED = {
    "onnx float32": {"ms": 2.0, "bytes": 9e6},
    "onnx int8": {"ms": 1.0, "bytes": 3e6},
    "litert float32": {"ms": 4.0, "bytes": 9.1e6},
}
ALL = [
    ratio("onnx float32", "onnx int8", "predictions.ms", 0.5, "onnx int8"),
    ratio("onnx float32", "litert float32", "predictions.ms", 2.0, "onnx float32"),
    ratio("onnx int8", "litert float32", "predictions.ms", 4.0, "onnx int8"),
]
with_predictions = result(predictions=SERVED, ratios=ALL, price=0.36)

TABLE = [  # need, what was measured, the choice, words of the reason
    ("fastest training", result(), None, "native best: no difference larger than 3.0 % between torch-eager and"),
    ("fastest training", result(), None, "same loader: 10.00 ms a step, 1.50 x as fast"),
    (
        "fastest training",
        changed(),
        "torch-eager",
        "10.00 ms a step, 1.50 x as fast (1.47 to 1.53) as keras",
    ),
    ("fastest training", changed(batch_ms={"1": 8.0, "64": 10.0}), None, "too small to decide: a step of torch-eager"),
    ("fastest training", result(ratios=[]), None, "not measured: name two contestants"),
    ("fastest training", result(parity={"passed": False}), None, "the nets aren't the same"),
    ("fastest start", result(), None, "within 30 %, which is no difference"),
    ("fastest start", changed(start_s=2.0), "torch-eager", "2.0 s; next keras-tensorflow-graph 5.0 s"),
    ("least memory", changed(peak_memory_bytes=4.8e8), None, "within 10 %, which is no difference"),
    ("least memory", changed(peak_memory_bytes=9e8), "keras-tensorflow-graph", "500.0 MB; next torch-eager 900.0 MB"),
    ("cheapest serving", result(), None, "add --predict"),
    ("cheapest serving", with_predictions, "onnx int8", "2.00 x as fast (1.96 to 2.04) as onnx float32"),
    ("cheapest serving", with_predictions, "onnx int8", "a million images cost 0.10"),  # 1,000 s at 0.36 an hour
    ("smallest file", with_predictions, "onnx int8", "3.0 MB; next onnx float32 9.0 MB"),
    ("smallest file", result(), None, "add --predict"),
    ("smallest file", result(left_out=[{"what": "prediction", "seconds": 150.0}]), None, "takes 150 s, more than"),
    ("TensorFlow Serving", result(), "any", "a SavedModel"),
    ("ONNX", with_predictions, "any", "here onnx int8: 1.00 ms an image, 3.0 MB"),
    ("phone", with_predictions, "any", "here litert float32: 4.00 ms an image"),
    ("browser", result(), "any", "ONNX Runtime Web"),
    ("your team's code", result(), "any", "stay with the framework"),
]


@pytest.mark.parametrize("number", range(len(TABLE)), ids=[f"{n} {row[0]}" for n, row in enumerate(TABLE)])
def test_a_need_is_decided_by_its_rule(number: int) -> None:
    need, measured, choice, words = TABLE[number]
    (found,) = [one for one in needs(measured) if one["need"] == need]
    assert found["choice"] == choice
    assert words in found["why"]


def test_every_rule_has_a_row_and_every_format_exists() -> None:
    assert {rule["need"] for rule in rules()} == {need for need, *_ in TABLE}
    assert {name for rule in rules() for name in rule.get("formats", ())} <= set(names())


def test_an_unsteady_machine_is_said() -> None:
    rows = [{**one, "noise": 0.05, "smallest": 0.3, "faster": None} for one in result()["ratios"][:1]]
    found = needs(result(ratios=rows))[0]
    assert "no difference larger than 30.0 %" in found["why"]
    assert "differs from itself by 5.0 %, and nothing below is decided" in found["why"]


def test_the_overhead_of_a_call_is_seen_by_other_batch_sizes() -> None:
    assert call_overhead("torch-eager", result()) == ""
    found = changed(batch_ms={"1": 0.5, "64": 0.6, "128": 0.7})
    assert "0.50 ms of 1, 0.60 ms of 64, 0.70 ms of 128" in call_overhead("torch-eager", found)
    assert call_overhead("nobody", found) == ""


NATIVE = {**result()["ratios"][0], "what": "native_best.step_ms"}
MEASURED = {name: {"step_ms": ms, "accuracy": 0.9} for name, ms in (("torch", 10.0), ("tensorflow", 15.0))}


@pytest.mark.parametrize(
    ("ratios", "said"),
    [
        (result()["ratios"], "1.50 x faster (1.47 to 1.53) in PyTorch than in TensorFlow"),
        (
            [{**result()["ratios"][0], "faster": None}],
            "about as long in both (a difference of 3 % would have been seen): choose by what you deploy",
        ),
        ([], "their speed wasn't compared"),
        ([result()["ratios"][0], NATIVE], "on this machine: for these images, PyTorch"),
        (
            [result()["ratios"][0], {**NATIVE, "faster": None}],
            "with images in memory, but not seen to be with its own input pipeline: choose by what you deploy",
        ),
        (
            [
                result()["ratios"][0],
                {**NATIVE, "faster": "keras-tensorflow-graph", "ratio": 1.25, "interval": [1.2, 1.3]},
            ],
            "own input pipeline TensorFlow is 1.25 x faster (1.20 to 1.30): for these images, TensorFlow",
        ),
    ],
    ids=["decided", "undecided", "none", "both tracks", "not with its input", "the other with its input"],
)
def test_the_verdict_goes_by_the_interval(ratios: list[dict[str, Any]], said: str) -> None:
    assert said in verdict(True, 9, MEASURED, {}, ratios=ratios)


def test_the_verdict_says_what_it_cannot() -> None:
    validation = {name: {**one, "accuracy_split": "validation"} for name, one in MEASURED.items()}
    assert "on the validation images, which is optimistic" in verdict(True, 9, validation, {})
    assert "isn't compared: one engine" in verdict(True, 9, MEASURED, {}, note="accuracy isn't compared: one engine")
    assert "too small to say which framework is faster" in verdict(True, 9, MEASURED, {}, small="a step is the call")
    alone = {"torch": MEASURED["torch"]}
    twice = [ratio("torch-eager", "torch-eager#2", "same_loader.step_ms", 1.0, None)]
    assert "no difference between torch-eager and torch-eager#2 is seen" in verdict(True, 9, alone, {}, ratios=twice)
    modes = [ratio("torch-eager", "torch-compiled", "same_loader.step_ms", 0.5, "torch-compiled")]
    assert "torch-compiled takes steps 2.00 x faster" in verdict(True, 9, alone, {}, ratios=modes)


@pytest.mark.parametrize("found", [result(), result(predictions=SERVED), result(parity={"passed": False})])
def test_needs_are_said_in_chinese_with_the_same_figures(found: dict[str, Any]) -> None:
    def figures(text: str) -> list[str]:
        return sorted(re.findall(r"\d+(?:\.\d+)?", text))

    for english, chinese in zip(needs(found), needs(found, "zh"), strict=True):
        assert english["choice"] == chinese["choice"]
        assert figures(english["why"]) == figures(chinese["why"])
        assert re.search(r"[\u4e00-\u9fff]", chinese["why"])
