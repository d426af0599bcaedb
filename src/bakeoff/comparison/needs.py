"""The verdict by need: one sentence each, with the numbers that decide it. The rules are a table: `rules.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bakeoff.comparison.statistics.ratios import STEADY
from bakeoff.comparison.verdict import faster_by
from bakeoff.texts.catalogue import Say

RULES = Path(__file__).with_name("rules.toml")
OVERHEAD = 0.5  # of a step's time, that a step on one image takes already: the rest of it is the call, not the work

TEXT = {
    "en": {
        "different": "the nets aren't the same",
        "unmeasured": "not measured: {how}",
        "predict": "add --predict",
        "budget": "it takes {seconds} s, more than --budget had left",
        "two": "name two contestants or more",
        "same_loader": "same loader",
        "native_best": "native best",
        "predictions": "predictions",
        "further": "{why}; {more}",
        "faster": "{where}: {time}, {ratio} x as fast ({low} to {high}) as {other}",
        "standing": "too small to decide: {small}; as it stands, {why}",
        "small": "too small to decide: {small}; {why}",
        "cost": "; a million images cost {cost}",
        "among": "{where}: no difference larger than {smallest} % between {names}",
        "noise": "; this machine differs from itself by {noise} %, and nothing below is decided",
        "and": " and ",
        "comma": ", ",
        "call": "a step of {name} is mostly the overhead of the call ({sizes}); larger batches or a larger net would "
        "tell",
        "size": "{ms} ms of {count}",
        "image": "{ms} ms an image",
        "step": "{ms} ms a step",
        "close": "{what}: {first} {said} and {other} are within {least} %, which is no difference",
        "least": "{what}: {said}; next {other}",
        "here": "; here {best}: {ms} ms an image, {size}",
    },
    "zh": {
        "different": "各网络并不相同",
        "unmeasured": "未测量：{how}",
        "predict": "请加上 --predict",
        "budget": "需要 {seconds} 秒，超过了 --budget 剩余的时间",
        "two": "请指定至少两个参赛者",
        "same_loader": "图片已在内存中",
        "native_best": "各自的输入管道",
        "predictions": "预测",
        "further": "{why}；{more}",
        "faster": "{where}：{time}，速度是 {other} 的 {ratio} 倍（{low} 到 {high}）",
        "standing": "网络太小，无法判断：{small}；按现有数据，{why}",
        "small": "网络太小，无法判断：{small}；{why}",
        "cost": "；一百万张图片的费用为 {cost}",
        "among": "{where}：{names} 之间看不出大于 {smallest} % 的差别",
        "noise": "；这台机器自身波动 {noise} %，小于它的差别不作判断",
        "and": " 与 ",
        "comma": "、",
        "call": "{name} 的一步主要是调用开销（{sizes}）；更大的批次或更大的网络才能分出高下",
        "size": "{count} 张 {ms} 毫秒",
        "image": "每张图片 {ms} 毫秒",
        "step": "每步 {ms} 毫秒",
        "close": "{what}：{first} {said} 与 {other} 相差不到 {least} %，不算差别",
        "least": "{what}：{said}；其次 {other}",
        "here": "；这里 {best}：每张图片 {ms} 毫秒，{size}",
    },
}


def rules() -> list[dict[str, Any]]:
    """The table."""
    found: list[dict[str, Any]] = tomllib.loads(RULES.read_text(encoding="utf-8"))["need"]
    return found


def needs(result: Mapping[str, Any], language: str = "en") -> list[dict[str, Any]]:
    """A row a need: need, choice (None where nothing can be chosen), why, interval (of what decided; None: none).

    Args:
        result: what `compare --json` prints.
        language: of `need` and `why`.
    """
    rows, say = [], Say(language, TEXT)
    for rule in rules():
        rule = rule | rule.get(language, {})
        if not result["parity"]["passed"]:
            found: tuple[str | None, str, list[float] | None] = None, say("different"), None
        elif "times" in rule:
            found = _by_times(rule, result, say)
        elif "figure" in rule:
            found = _by_figure(rule, result, say)
        else:
            found = _by_words(rule, result, say)
        choice, why, interval = found
        why = why.replace("\N{NO-BREAK SPACE}", " ")  # for terminals and programs
        rows.append({"need": rule["need"], "choice": choice, "why": why, "interval": interval})
    return rows


Found = tuple[str | None, str, list[float] | None]


def _rows(rule: Mapping[str, Any], result: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    if rule["of"] == "predictions":
        good: Mapping[str, Mapping[str, Any]] = result.get("predictions") or {}
        return good
    tracks = result.get("tracks") or {}
    found: Mapping[str, Mapping[str, Any]] = tracks.get("native_best") or tracks.get("same_loader") or {}
    return found


def _by_times(rule: Mapping[str, Any], result: Mapping[str, Any], say: Say) -> Found:
    """Who beats every other one, by intervals; or those among whom nothing is decided."""
    taken = {row["what"] for row in result["ratios"]}
    measured = [one for one in rule["times"] if one in taken]
    if not measured:
        return None, say("unmeasured", how=_how(rule, result, say)), None
    what = measured[0]
    ratios = [row for row in result["ratios"] if row["what"] == what]
    beaten = {row["b"] if row["faster"] == row["a"] else row["a"] for row in ratios if row["faster"]}
    names = list(dict.fromkeys(name for row in ratios for name in (row["a"], row["b"])))
    best = [name for name in names if name not in beaten]
    where = say(what.partition(".")[0])
    if len(best) != 1:
        why = _undecided(best, ratios, where, result, say)
        choice, more, _ = _by_times({**rule, "times": measured[1:]}, result, say) if measured[1:] else (None, "", None)
        return None, say("further", why=why, more=more) if choice else why, None
    small = call_overhead(best[0], result, say) if rule["of"] == "contestants" else ""
    row = _nearest(best[0], ratios)
    ratio, low, high = faster_by(row)
    other = row["b"] if row["a"] == best[0] else row["a"]
    figures = {"ratio": f"{ratio:.2f}", "low": f"{low:.2f}", "high": f"{high:.2f}"}
    why = say("faster", where=where, time=_time(best[0], what, result, say), other=other, **figures)
    if small:
        return None, say("standing", small=small, why=why), [low, high]
    if rule["of"] == "predictions" and result.get("price") is not None:
        cost = result["predictions"][best[0]]["ms"] / 3600 * result["price"] * 1000  # ms a million images, in hours
        why += say("cost", cost=f"{cost:.2f}")
    return best[0], why, [low, high]


def _how(rule: Mapping[str, Any], result: Mapping[str, Any], say: Say) -> str:
    if rule["of"] != "predictions":
        return say("two")
    left = [one for one in result.get("left_out", ()) if one.get("what") == "prediction" and one.get("seconds")]
    return say("budget", seconds=f"{left[0]['seconds']:.0f}") if left else say("predict")


def _nearest(name: str, ratios: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The pair of the winner with who comes next."""
    return min((row for row in ratios if name in (row["a"], row["b"])), key=lambda row: faster_by(row)[0])


def _undecided(
    best: Sequence[str], ratios: Sequence[Mapping[str, Any]], where: str, result: Mapping[str, Any], say: Say
) -> str:
    among = [row for row in ratios if {row["a"], row["b"]} <= set(best)]
    smallest = max((row["smallest"] for row in among), default=0.0)
    noise = max((row["noise"] for row in among), default=0.0)
    names = say("comma").join(best[:-1]) + say("and") + best[-1] if len(best) > 1 else "".join(best)
    why = say("among", where=where, smallest=f"{100 * smallest:.1f}", names=names)
    if noise > STEADY:
        why += say("noise", noise=f"{100 * noise:.1f}")
    found = [told for name in best if (told := call_overhead(name, result, say))]
    return say("small", small=found[0], why=why) if found else why


def call_overhead(name: str, result: Mapping[str, Any], say: Say | None = None) -> str:
    """Where a step on one image takes more than half of a whole batch's: that the call is what was measured, and at
    which batch it would be otherwise, as far as that was measured; "" where it isn't so.
    """
    say = say or Say("en", TEXT)
    row = ((result.get("tracks") or {}).get("same_loader") or {}).get(name)
    size = str(row["batch_size"]) if row else ""
    if not row or not {"1", size} <= set(row["batch_ms"]) or size == "1":
        return ""
    if row["batch_ms"]["1"] < OVERHEAD * row["batch_ms"][size]:
        return ""
    sizes = say("comma").join(say("size", ms=f"{ms:.2f}", count=count) for count, ms in row["batch_ms"].items())
    return say("call", name=name, sizes=sizes)


def _time(name: str, what: str, result: Mapping[str, Any], say: Say) -> str:
    track = what.partition(".")[0]
    if track == "predictions":
        return say("image", ms=f"{result['predictions'][name]['ms']:.2f}")
    return say("step", ms=f"{result['tracks'][track][name]['step_ms']:.2f}")


def _by_figure(rule: Mapping[str, Any], result: Mapping[str, Any], say: Say) -> Found:
    """The least, where the next one is further away than such a figure repeats to."""
    found = {name: row[rule["figure"]] for name, row in _rows(rule, result).items() if row.get(rule["figure"])}
    rows = {name: value for name, value in found.items() if name.partition(", ")[0] not in found or ", " not in name}
    if len(rows) < 2:
        return None, say("unmeasured", how=_how(rule, result, say)), None
    order = sorted(rows, key=lambda name: rows[name])
    first, second = order[0], order[1]
    said, other = _said(rows[first], rule["unit"]), f"{second} {_said(rows[second], rule['unit'])}"
    if rows[second] < (1 + rule["least"]) * rows[first]:
        told = {"first": first, "least": f"{100 * rule['least']:.0f}"}
        return None, say("close", what=rule["what"], said=said, other=other, **told), None
    return first, say("least", what=rule["what"], said=said, other=other), None


def _said(value: float, unit: str) -> str:
    """`5.0 s`, `9.1 MB`, `12.3 kB`."""
    if unit == "s":
        return f"{value:.1f} s"
    return f"{value / 1e6:.1f} MB" if value >= 1e6 else f"{value / 1e3:.1f} kB"


def _by_words(rule: Mapping[str, Any], result: Mapping[str, Any], say: Say) -> Found:
    """A format, with what was measured of it; or a sentence."""
    rows: Mapping[str, Mapping[str, Any]] = result.get("predictions") or {}
    formats = rule.get("formats", ())
    best = min((n for n in rows if n.partition(" ")[0] in formats), key=lambda n: rows[n]["ms"], default=None)
    if best is None:
        return "any", rule["says"], None
    figures = {"ms": f"{rows[best]['ms']:.2f}", "size": _said(rows[best]["bytes"], "bytes")}
    return "any", rule["says"] + say("here", best=best, **figures), None
