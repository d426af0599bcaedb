"""A server's model, by its URL: what it says to the images, and nothing of how."""

from __future__ import annotations

import numpy as np

from bakeoff.difference.account import Account, Observed
from bakeoff.difference.sides import Given
from bakeoff.errors import UsageError

READS, PLACE = "a server's URL", 1


def accepts(text: str) -> bool:
    """Whether it is a URL."""
    return text.startswith(("http://", "https://", "grpc://", "grpcs://"))


def opened(text: str, given: Given) -> Account:
    """Its probabilities of each image, all classes, and their names.

    Raises:
        UsageError: there are no images to ask about.
    """
    from bakeoff.serving.client import Remote

    if not given.images:
        raise UsageError(f"{text}: a server is asked about images. Give them: --images FOLDER.")
    remote = Remote(text, given.token)
    answers = [dict(map(tuple, remote.ask(image)[0])) for image in given.images]
    names = tuple(sorted(answers[0], key=lambda name: (len(name), name) if name.isdecimal() else (0, name)))
    scores = np.array([[answer[name] for name in names] for answer in answers])
    return Account(text, "server", {"output.classes": names}, seen=Observed(scores=scores, shares=True))
