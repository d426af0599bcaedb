"""Transfer learning as tutorials have it in PyTorch: the frozen backbone inside the loop, a linear layer, Adam.

python bench/usual/probe_torch.py FOLDER EPOCHS      FOLDER holds train/CLASS and test/CLASS
Prints one JSON line: seconds of each epoch, the accuracy on test, the seconds that judging it took.

The net is EfficientNet-lite0 with the ImageNet weights that Bakeoff brings, plain torch modules.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
from torchvision.transforms import InterpolationMode

from bakeoff import models
from bakeoff.frameworks.torch.build import build


def main(folder: Path, epochs: int) -> None:
    transform = transforms.Compose([
        transforms.Resize(256, interpolation=InterpolationMode.BICUBIC), transforms.CenterCrop(224),
        transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3),
    ])  # fmt: skip
    train, test = (datasets.ImageFolder(folder / split, transform) for split in ("train", "test"))
    loader = DataLoader(train, batch_size=32, shuffle=True, num_workers=2)
    backbone = build(models.build("efficientnet_lite0", (224, 224), 3, None)).module.eval()
    for parameter in backbone.parameters():
        parameter.requires_grad = False
    head = nn.Linear(1280, len(train.classes))
    optimizer, criterion = torch.optim.Adam(head.parameters(), lr=1e-3), nn.CrossEntropyLoss()
    seconds = []
    for _ in range(epochs):
        began = time.perf_counter()
        for images, labels in loader:
            optimizer.zero_grad()
            loss = criterion(head(backbone(images)), labels)
            loss.backward()
            optimizer.step()
        seconds.append(time.perf_counter() - began)
    began, right = time.perf_counter(), 0
    with torch.no_grad():
        for images, labels in DataLoader(test, batch_size=32, num_workers=2):
            right += int((head(backbone(images)).argmax(1) == labels).sum())
    judged = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "accuracy": right / len(test), "judged_s": judged}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
