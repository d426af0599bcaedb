"""The hinge between making and using: graph, weights, preprocessing, class names, recipe, scores, hashes."""

from bakeoff.bundle.layout import Bundle
from bakeoff.bundle.read import folder_of, read
from bakeoff.bundle.stopped import note
from bakeoff.bundle.write import described, write

__all__ = ["Bundle", "described", "folder_of", "note", "read", "write"]
