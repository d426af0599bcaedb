"""From a path to batches: sources, manifest, split, pictures, loader."""

from bakeoff.data.cache import atomic_write, cache_root
from bakeoff.data.epochs import Epochs, for_tensorflow, for_torch
from bakeoff.data.loader import Split
from bakeoff.data.manifest import Manifest
from bakeoff.data.reader import Data, read_data
from bakeoff.data.sample import write_digits

__all__ = [
    "Data",
    "Epochs",
    "Manifest",
    "Split",
    "atomic_write",
    "cache_root",
    "for_tensorflow",
    "for_torch",
    "read_data",
    "write_digits",
]
