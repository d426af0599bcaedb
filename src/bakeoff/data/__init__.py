"""From a path to batches: sources, manifest, split, images, loader."""

from bakeoff import moved
from bakeoff.data.cache import cache_root
from bakeoff.data.epochs import Epochs
from bakeoff.data.loader import Split
from bakeoff.data.manifest import Manifest
from bakeoff.data.reader import Data, read_data
from bakeoff.data.sample import write_digits
from bakeoff.data.shards.writer import Written, write_shards

__all__ = ["Data", "Epochs", "Manifest", "Split", "Written", "cache_root", "read_data", "write_digits", "write_shards"]

__getattr__ = moved.getter(__name__)
