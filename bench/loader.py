"""The loader against torch's DataLoader and tf.data; the pixel cache; MNIST; the memory that 100,000 images take.

python bench/loader.py [ROUNDS] [IMAGES]       of the training photos; all of them where it is left out

Every side is a process of its own and starts anew in each round, one after the other, so that a change of the machine's
speed meets all: the ratios count, not the seconds. What is timed is the second epoch, workers kept: imports, first
starts and tracing are behind it. Sides give batches of 32 uint8 images of 224 x 224 from JPEG files, in random order.

    bakeoff     2 threads, nothing kept (cache="none"), and then from the pixel cache (cache="disk")
    torch       ImageFolder, Resize((224, 224)), PILToTensor: the same pixels, which is checked; best of 0, 1, 2 workers
    tensorflow  tf.data: decode_jpeg, antialiased bilinear resize, AUTOTUNE (other pixels: another JPEG decoder)
    mnist       batches of 64: bakeoff from mnist.npz; torchvision.datasets.MNIST with ToTensor in a DataLoader
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import _common
import numpy as np

SIZE, BATCH = (224, 224), 32
LINKS = 100_000
WORKERS = "0", "1", "2"
CPU = {"cpu": 0.0}


def timed(epochs: Callable[[], Iterable[Any]], count: int = 2) -> float:
    """Seconds of the last of some epochs; the processor's seconds, workers and all, go to `CPU`."""
    seconds = 0.0
    for _ in range(count):
        began, before = time.perf_counter(), processor()
        for _ in epochs():
            pass
        seconds, CPU["cpu"] = time.perf_counter() - began, processor() - before
    return seconds


def processor() -> float:
    """Seconds that this process and its children have computed."""
    import psutil

    me = psutil.Process()
    return float(sum(sum(each.cpu_times()[:2]) for each in [me, *me.children(recursive=True)]))


def bakeoff(data: str, cache: str) -> dict[str, Any]:
    from bakeoff.data import read_data
    from bakeoff.preprocessing import Signature

    split, signature = read_data(data).train, Signature(SIZE)
    numbers = iter(range(10))
    seconds = timed(
        lambda: split.batches(signature=signature, batch_size=BATCH, epoch=next(numbers), cache=cache),  # type: ignore[arg-type]
        3 if cache == "disk" else 2,
    )
    first = next(split.batches(signature=signature, batch_size=64, shuffle=False))
    return {"seconds": seconds, "pixels": hashlib.sha256(first.images.tobytes()).hexdigest()}


def torch(data: str, workers: str) -> dict[str, Any]:
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    images = datasets.ImageFolder(
        str(Path(data) / "train"), transforms.Compose([transforms.Resize(SIZE), transforms.PILToTensor()])
    )
    loader = DataLoader(images, BATCH, shuffle=True, num_workers=int(workers), persistent_workers=workers != "0")
    seconds = timed(lambda: loader)
    order = sorted(range(len(images)), key=lambda index: Path(images.samples[index][0]).relative_to(data).as_posix())
    first = np.stack([images[index][0].permute(1, 2, 0).numpy() for index in order[:64]])
    return {"seconds": seconds, "pixels": hashlib.sha256(first.tobytes()).hexdigest()}


def tensorflow(data: str, _: str) -> dict[str, Any]:
    import tensorflow as tf

    files = sorted(str(path) for path in (Path(data) / "train").rglob("*.jpg"))

    def read(path: Any) -> Any:
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        return tf.cast(tf.image.resize(image, SIZE, antialias=True), tf.uint8)

    images = tf.data.Dataset.from_tensor_slices(files).shuffle(len(files))
    batches = images.map(read, tf.data.AUTOTUNE).batch(BATCH).prefetch(tf.data.AUTOTUNE)
    return {"seconds": timed(lambda: batches)}


def mnist(data: str, _: str) -> dict[str, Any]:
    from bakeoff.data import read_data

    split = read_data(data).train
    numbers = iter(range(10))
    seconds = timed(lambda: split.batches(batch_size=64, epoch=next(numbers)))
    return {"seconds": seconds * 60_000 / len(split)}


def mnist_torch(data: str, workers: str) -> dict[str, Any]:
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    images = datasets.MNIST(data, transform=transforms.ToTensor())
    loader = DataLoader(images, 64, shuffle=True, num_workers=int(workers), persistent_workers=workers != "0")
    return {"seconds": timed(lambda: loader, 1)}


def memory(data: str, cache: str) -> dict[str, Any]:
    """Peak resident memory of one epoch over many files, in GiB."""
    import resource

    from bakeoff.data import read_data
    from bakeoff.preprocessing import Signature

    split = read_data(data).train
    count = sum(
        len(batch.labels)
        for batch in split.batches(signature=Signature(SIZE), batch_size=BATCH, cache=cache)  # type: ignore[arg-type]
    )
    return {"gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, "count": count}


def side(name: str, data: Path, argument: str, cache: Path) -> dict[str, Any]:
    """One side in a process of its own."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, __file__, "--side", name, str(data), argument], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def best(name: str, data: Path, cache: Path) -> dict[str, Any]:
    """The best number of workers of a side."""
    return min((side(name, data, workers, cache) for workers in WORKERS), key=lambda found: float(found["seconds"]))


def ratios(figure: str, slow: list[float], quick: list[float], wanted: float) -> None:
    """Say the median ratio of the rounds."""
    found = sorted(a / b for a, b in zip(slow, quick, strict=True))
    _common.say(
        f"{figure}: {median(found):.2f} x ({found[0]:.2f} to {found[-1]:.2f}, {len(found)} rounds; "
        f"{median(quick):.3f} s against {median(slow):.3f} s), wanted >= {wanted}",
        median(found) >= wanted,
    )


def photos(data: Path, cache: Path, rounds: int) -> None:
    times: dict[str, list[float]] = {name: [] for name in ("bakeoff", "kept", "torch", "tensorflow")}
    computed: dict[str, list[float]] = {name: [] for name in ("bakeoff", "torch", "tensorflow")}
    for _ in range(rounds):
        ours, theirs = side("bakeoff", data, "none", cache), best("torch", data, cache)
        if ours["pixels"] != theirs["pixels"]:
            raise SystemExit("the pixels of torch's side are not ours")
        for name, found in (("bakeoff", ours), ("torch", theirs), ("tensorflow", side("tensorflow", data, "", cache))):
            times[name].append(found["seconds"])
            computed[name].append(found["cpu"])
        times["kept"].append(side("bakeoff", data, "disk", cache)["seconds"])
    ratios("photos, torch DataLoader / bakeoff", times["torch"], times["bakeoff"], 1.25)
    ratios("photos, tf.data / bakeoff", times["tensorflow"], times["bakeoff"], 1.8)
    ratios("photos, decoded / from the pixel cache", times["bakeoff"], times["kept"], 10)
    for name in ("torch", "tensorflow"):
        found = [a / b for a, b in zip(computed[name], computed["bakeoff"], strict=True)]
        print(f"            the processor's seconds, {name} / bakeoff: {median(found):.2f} x")


def digits(folder: Path, cache: Path, rounds: int) -> None:
    from mnist_epoch import raw_files

    data = _common.data("mnist.npz")
    raw = raw_files(data, folder / "raw")
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(side("mnist", data, "", cache)["seconds"])
        theirs.append(best("mnist_torch", raw, cache)["seconds"])
    ratios("mnist epoch, torchvision + DataLoader / bakeoff", theirs, ours, 50)


def some(data: Path, folder: Path, count: int) -> Path:
    """Hard links of every so many-th training photo: short rounds for a busy machine."""
    files = sorted((data / "train").rglob("*.jpg"))
    chosen = [files[k * len(files) // count] for k in range(count)]
    for split, paths in (("train", chosen), ("validation", files[:: len(files) // 50])):
        for source in paths:
            target = folder / "some" / split / source.parent.name / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(source, target)
    return folder / "some"


def many(photos: Path, folder: Path, cache: Path) -> None:
    """Hard links of real photos, until there are enough."""
    files = sorted((photos / "train").rglob("*.jpg"))
    for number in range(LINKS):
        source = files[number % len(files)]
        split = "validation" if number < 500 else "train"
        target = folder / "many" / split / source.parent.name / f"{number:06d}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, target)
    for kept in ("auto", "none"):
        found = side("memory", folder / "many", kept, cache)
        _common.say(
            f"{found['count']:,} of {LINKS:,} images, one epoch, cache={kept}: "
            f"{found['gib']:.2f} GiB resident at most, wanted <= 1.5",
            found["gib"] <= 1.5,
        )


def main(rounds: int, count: int | None) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = _common.clothing(folder / "clothing")
        photos(some(data, folder, count) if count else data, folder / "cache", rounds)
        digits(folder, folder / "cache", rounds)
        many(data, folder, folder / "cache")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--side"]:
        print(json.dumps(globals()[sys.argv[2]](*sys.argv[3:5]) | CPU))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, int(sys.argv[2]) if len(sys.argv) > 2 else None)
        _common.finish()
