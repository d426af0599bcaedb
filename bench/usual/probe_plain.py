"""The least that a probe can do, in one plain process: decode, forward, one fit of the head; nothing is hashed or kept.

python bench/usual/probe_plain.py FOLDER      FOLDER holds train/CLASS and test/CLASS
Prints one JSON line: the accuracy on test, and the seconds of imports, decoding with forward, and the head.

A thread a core takes a photo from its file to its features (ONNX Runtime with one thread, one photo a call, which is
the best arrangement); the head is scikit-learn's, with the penalty that cross-validation would have chosen.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def main(folder: Path) -> None:
    began = time.perf_counter()
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    from bakeoff import models
    from bakeoff.models.efficientnet_lite0 import SIGNATURE
    from bakeoff.preprocessing import normalize, prepare
    from bakeoff.runtimes import onnxruntime

    net = onnxruntime.from_graph(models.build("efficientnet_lite0", (224, 224), 3, None), threads=1)
    imported = time.perf_counter()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        rows = np.concatenate(
            list(pool.map(lambda file: net.predict(normalize(prepare(file, SIGNATURE)[None], SIGNATURE)), files))
        )
    computed = time.perf_counter()
    labels = np.array([file.parent.name for file in files])
    train, test = (np.array([file.parts[-3] == split for file in files]) for split in ("train", "test"))
    mean, scale = rows[train].mean(0), rows[train].std(0) + 1e-6
    with threadpool_limits(1, user_api="blas"):
        head = LogisticRegression(C=0.01, max_iter=1000).fit((rows[train] - mean) / scale, labels[train])
    accuracy = head.score((rows[test] - mean) / scale, labels[test])
    seconds = {"imports": imported - began, "features": computed - imported, "head": time.perf_counter() - computed}
    print(json.dumps({"accuracy": accuracy, "seconds": seconds}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
