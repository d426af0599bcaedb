"""The hinge between making and using: graph, weights, preprocessing, class names, recipe, scores, hashes."""

from bakeoff.bundle.layout import Bundle
from bakeoff.bundle.read import folder_of, read
from bakeoff.bundle.write import write

__all__ = ["Bundle", "folder_of", "read", "write"]
