"""From a path to batches: sources, manifest, split, images, loader."""

from bakeoff import moved
from bakeoff.data.cache import cache_root
from bakeoff.data.epochs import Epochs
from bakeoff.data.loader import Split
from bakeoff.data.manifest import Manifest
from bakeoff.data.reader import Data, read_data
from bakeoff.data.sample import write_digits

__all__ = ["Data", "Epochs", "Manifest", "Split", "cache_root", "read_data", "write_digits"]

__getattr__ = moved.getter(__name__)
