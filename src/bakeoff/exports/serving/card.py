"""What a served model says to people: a page of Markdown beside it."""

from __future__ import annotations

from bakeoff.bundle import Bundle
from bakeoff.graph.graph import weights_sha256

CARD = """# An image classifier

| | |
| --- | --- |
| kind | {kind} |
| classes | {count}, in `labels.txt` in the order of the outputs |
| images | {size}, {channels}, fit `{fit}`, resized by Pillow's `{resize}` |
| trained in | {framework} |
| licence of the weights | {licence} |
| SHA-256 of the weights | `{weights}` |
| SHA-256 of the preprocessing | `{signature}` |
{scores}
`serving_default` takes the bytes of image files (JPEG, PNG, WebP, GIF, BMP) and prepares them as in training.
All that decides an answer is in `bakeoff.json`.
"""


def card(bundle: Bundle) -> str:
    """The page."""
    signature = bundle.signature
    kind = "several labels an image" if bundle.multilabel else "one label an image"
    rows = [
        f"| {name} on {split} | {value:.4f} |"
        for split, score in bundle.scores.items()
        for name, value in (score.items() if isinstance(score, dict) else ())
        if isinstance(value, float) and name in ("accuracy", "mean_average_precision")
    ]
    return CARD.format(
        kind=kind if not bundle.multilabel else f"{kind}, each from a probability of {bundle.threshold:g} on",
        count=len(bundle.classes),
        size=f"{signature.size[0]} x {signature.size[1]} pixels",
        channels="grey" if signature.channels == 1 else signature.channel_order,
        fit=signature.fit,
        resize=signature.resize,
        framework=bundle.framework or "not said",
        licence=bundle.extra.get("licence") or "not said",
        weights=weights_sha256(bundle.graph.arrays()),
        signature=signature.digest(),
        scores="".join(f"{row}\n" for row in rows),
    )
