"""What a user of PyTorch has in a folder: two nets, trained for a moment, as .pt2, state dicts, and answers.

python torch_nets.py FOLDER    FOLDER has photos/CLASS/*.jpg
"""

import copy
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Resid(nn.Module):
    """For images of any size: a depthwise block with a way round it."""

    def __init__(self, classes=10):
        super().__init__()
        self.stem, self.bn1 = nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16)
        self.depth, self.bn2 = nn.Conv2d(16, 16, 3, 1, 1, groups=16, bias=False), nn.BatchNorm2d(16)
        self.point, self.bn3 = nn.Conv2d(16, 16, 1, bias=False), nn.BatchNorm2d(16)
        self.down, self.bn4 = nn.Conv2d(16, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24)
        self.act, self.fc = nn.ReLU6(), nn.Linear(24, classes)

    def forward(self, x):
        x = self.act(self.bn1(self.stem(x)))
        y = self.act(self.bn2(self.depth(x)))
        x = self.act(self.bn4(self.down(x + self.bn3(self.point(y)))))
        return self.fc(x.mean((2, 3)))


class Flat(nn.Module):
    """For images of 48 x 60: no norms, a flatten, two linear layers."""

    def __init__(self, classes=10, counted=True):
        super().__init__()
        self.conv1, self.leaky = nn.Conv2d(3, 8, 5, 2, 2), nn.LeakyReLU()
        self.pool = nn.AvgPool2d(3, 2, 1, count_include_pad=counted)
        self.conv2, self.gelu = nn.Conv2d(8, 12, 3, 1, 1), nn.GELU()
        self.fc1, self.fc2 = nn.Linear(12 * 12 * 15, 40), nn.Linear(40, classes)

    def forward(self, x):
        x = self.gelu(self.conv2(self.pool(self.leaky(self.conv1(x)))))
        return self.fc2(torch.relu(self.fc1(torch.flatten(x, 1))))


def resid():
    """A net as a user's function gives it."""
    return Resid()


def images(paths, size):
    """Normalised (N, 3, H, W), stretched."""
    pixels = [np.asarray(Image.open(one).convert("RGB").resize(size[::-1], Image.BILINEAR)) for one in paths]
    x = (np.stack(pixels) / 255 - MEAN) / STD
    return torch.from_numpy(x.transpose(0, 3, 1, 2)).float()


def trained(net, x, y, steps=25):
    optimizer = torch.optim.Adam(net.parameters(), 0.003)
    net.train()
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    return net.eval()


def main(folder):
    torch.manual_seed(3)
    paths = sorted((folder / "photos").glob("*/*.jpg"))
    names = sorted({one.parent.name for one in paths})
    y = torch.tensor([names.index(one.parent.name) for one in paths])
    for name, net, size in (("resid", Resid(), (64, 64)), ("flat", Flat(), (48, 60))):
        x = images(paths, size)
        trained(net, x, y)
        torch.save(net.state_dict(), folder / f"{name}.pth")
        np.savez(folder / f"{name}.npz", **{key: value.numpy() for key, value in net.state_dict().items()})
        batch = torch.export.Dim("batch")
        program = torch.export.export(net, (x[:2],), dynamic_shapes=({0: batch},))
        torch.export.save(program, folder / f"{name}.pt2")
        np.save(folder / f"{name}-input.npy", x.numpy())
        with torch.no_grad():
            logits = net(x)
            np.save(folder / f"{name}-logits.npy", logits.numpy())
            reshaped = x.permute(0, 2, 3, 1).reshape(x.shape)
            np.save(folder / f"{'' if name == 'resid' else name}reshaped-logits.npy", net(reshaped).numpy())
            np.save(folder / f"{name}-twice.npy", logits.softmax(1).softmax(1).numpy())
            half = copy.deepcopy(net).to(torch.bfloat16)
            np.save(folder / f"{name}-half.npy", half(x.to(torch.bfloat16)).float().numpy())
            net.train()
            np.save(folder / f"{name}-train-mode.npy", net(x).numpy())
    import timm

    tiny = trained(timm.create_model("test_resnet"), images(paths, (160, 160)), y, 3)
    torch.save(tiny.state_dict(), folder / "timm.pth")
    fresh = timm.create_model("test_resnet").state_dict()
    lost = {key: fresh[key] if "running" in key else value for key, value in tiny.state_dict().items()}
    torch.save(lost, folder / "timm-lost.pth")
    other = Flat(counted=False)
    other.load_state_dict(torch.load(folder / "flat.pth"))
    program = torch.export.export(other.eval(), (x[:2],), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(program, folder / "flat-uncounted.pt2")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
