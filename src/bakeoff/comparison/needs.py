"""The verdict by need: one sentence each, with the numbers that decide it. The rules are a table: `rules.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bakeoff.comparison.verdict import faster_by

RULES = Path(__file__).with_name("rules.toml")
OVERHEAD = 0.5  # of a step's time, that a step on one image takes already: the rest of it is the call, not the work


def rules() -> list[dict[str, Any]]:
    """The table."""
    found: list[dict[str, Any]] = tomllib.loads(RULES.read_text(encoding="utf-8"))["need"]
    return found


def needs(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a need: need, choice (None where nothing can be chosen), why, interval (of what decided; None: none).

    Args:
        result: what `compare --json` prints.
    """
    rows = []
    for rule in rules():
        if not result["parity"]["passed"]:
            found: tuple[str | None, str, list[float] | None] = None, "the nets aren't the same", None
        elif "times" in rule:
            found = _by_times(rule, result)
        elif "figure" in rule:
            found = _by_figure(rule, result)
        else:
            found = _by_words(rule, result)
        choice, why, interval = found
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


def _by_times(rule: Mapping[str, Any], result: Mapping[str, Any]) -> Found:
    """Who beats every other one, by intervals; or those among whom nothing is decided."""
    taken = {row["what"] for row in result["ratios"]}
    measured = [one for one in rule["times"] if one in taken]
    if not measured:
        return None, f"not measured: {_how(rule)}", None
    what = measured[0]
    ratios = [row for row in result["ratios"] if row["what"] == what]
    beaten = {row["b"] if row["faster"] == row["a"] else row["a"] for row in ratios if row["faster"]}
    names = list(dict.fromkeys(name for row in ratios for name in (row["a"], row["b"])))
    best = [name for name in names if name not in beaten]
    where = what.partition(".")[0].replace("_", " ")
    if len(best) != 1:
        why = _undecided(best, ratios, where, result)
        choice, more, _ = _by_times({**rule, "times": measured[1:]}, result) if measured[1:] else (None, "", None)
        return None, f"{why}; {more}" if choice else why, None
    small = call_overhead(best[0], result) if rule["of"] == "contestants" else ""
    row = _nearest(best[0], ratios)
    ratio, low, high = faster_by(row)
    other = row["b"] if row["a"] == best[0] else row["a"]
    why = f"{where}: {_time(best[0], what, result)}, {ratio:.2f} x as fast ({low:.2f} to {high:.2f}) as {other}"
    if small:
        return None, f"too small to decide: {small}; as it stands, {why}", [low, high]
    if rule["of"] == "predictions" and result.get("price") is not None:
        cost = result["predictions"][best[0]]["ms"] / 3600 * result["price"] * 1000  # ms a million images, in hours
        why += f"; a million images cost {cost:.2f}"
    return best[0], why, [low, high]


def _how(rule: Mapping[str, Any]) -> str:
    return "add --predict" if rule["of"] == "predictions" else "name two contestants or more"


def _nearest(name: str, ratios: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The pair of the winner with who comes next."""
    return min((row for row in ratios if name in (row["a"], row["b"])), key=lambda row: faster_by(row)[0])


def _undecided(best: Sequence[str], ratios: Sequence[Mapping[str, Any]], where: str, result: Mapping[str, Any]) -> str:
    among = [row for row in ratios if {row["a"], row["b"]} <= set(best)]
    smallest = max((row["smallest"] for row in among), default=0.0)
    noise = max((row["noise"] for row in among), default=0.0)
    names = " and ".join(best) if len(best) < 3 else ", ".join(best[:-1]) + f" and {best[-1]}"
    why = f"{where}: no difference larger than {100 * smallest:.1f} % between {names}"
    if noise > 0.02:
        why += f"; this machine differs from itself by {100 * noise:.1f} %, and nothing below is decided"
    found = [told for name in best if (told := call_overhead(name, result))]
    return f"too small to decide: {found[0]}; {why}" if found else why


def call_overhead(name: str, result: Mapping[str, Any]) -> str:
    """Where a step on one image takes more than half of a whole batch's: that the call is what was measured, and at
    which batch it would be otherwise, as far as that was measured; "" where it isn't so.
    """
    row = ((result.get("tracks") or {}).get("same_loader") or {}).get(name)
    size = str(row["batch_size"]) if row else ""
    if not row or not {"1", size} <= set(row["batch_ms"]) or size == "1":
        return ""
    if row["batch_ms"]["1"] < OVERHEAD * row["batch_ms"][size]:
        return ""
    sizes = ", ".join(f"{ms:.2f} ms of {count}" for count, ms in row["batch_ms"].items())
    return f"a step of {name} is mostly the overhead of the call ({sizes}); larger batches or a larger net would tell"


def _time(name: str, what: str, result: Mapping[str, Any]) -> str:
    track = what.partition(".")[0]
    if track == "predictions":
        return f"{result['predictions'][name]['ms']:.2f} ms an image"
    return f"{result['tracks'][track][name]['step_ms']:.2f} ms a step"


def _by_figure(rule: Mapping[str, Any], result: Mapping[str, Any]) -> Found:
    """The least, where the next one is further away than such a figure repeats to."""
    found = {name: row[rule["figure"]] for name, row in _rows(rule, result).items() if row.get(rule["figure"])}
    rows = {name: value for name, value in found.items() if name.partition(", ")[0] not in found or ", " not in name}
    if len(rows) < 2:
        return None, f"not measured: {_how(rule)}", None
    order = sorted(rows, key=lambda name: rows[name])
    first, second = order[0], order[1]
    said, other = _said(rows[first], rule["unit"]), f"{second} {_said(rows[second], rule['unit'])}"
    if rows[second] < (1 + rule["least"]) * rows[first]:
        close = f"within {100 * rule['least']:.0f} %, which is no difference"
        return None, f"{rule['what']}: {first} {said} and {other} are {close}", None
    return first, f"{rule['what']}: {said}; next {other}", None


def _said(value: float, unit: str) -> str:
    """`5.0 s`, `9.1 MB`, `12.3 kB`."""
    if unit == "s":
        return f"{value:.1f} s"
    return f"{value / 1e6:.1f} MB" if value >= 1e6 else f"{value / 1e3:.1f} kB"


def _by_words(rule: Mapping[str, Any], result: Mapping[str, Any]) -> Found:
    """A format, with what was measured of it; or a sentence."""
    rows: Mapping[str, Mapping[str, Any]] = result.get("predictions") or {}
    formats = rule.get("formats", ())
    best = min((n for n in rows if n.partition(" ")[0] in formats), key=lambda n: rows[n]["ms"], default=None)
    if best is None:
        return "any", rule["says"], None
    here = f"{rows[best]['ms']:.2f} ms an image, {_said(rows[best]['bytes'], 'bytes')}"
    return "any", f"{rule['says']}; here {best}: {here}", None
