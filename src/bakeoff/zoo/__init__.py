"""Other libraries' models by name: `timm/resnet50`, `torchvision/googlenet`, `keras/Xception`.

sources/      one library a file: how a net of it is built, filled with weights and described
catalogue/    what each library offers, written down, so that a list needs no framework
listing       the catalogue as entries; searching it
resolve       where the file with the weights is, or would come from
"""

from __future__ import annotations

from bakeoff.zoo.listing import Entry, WeightsFile, entry, is_name, libraries, offered, search

__all__ = ["Entry", "WeightsFile", "entry", "is_name", "libraries", "offered", "search"]
