"""Article 004 in PyTorch: a frozen net below, one logit above."""

import os

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(os.environ.get("SEED", "0")))
data = np.load("photos.npz")
x = torch.tensor(data["x"] / 127.5 - 1, dtype=torch.float32).permute(0, 3, 1, 2)
y = torch.tensor(data["y"] < 5, dtype=torch.float32)
loader = DataLoader(TensorDataset(x[:200], y[:200]), batch_size=32, shuffle=True)

base = nn.Sequential(nn.Conv2d(3, 12, 3, 2, bias=False), nn.BatchNorm2d(12, eps=1e-3, momentum=0.01), nn.ReLU())
for parameter in base.parameters():
    parameter.requires_grad = False
model = nn.Sequential(base, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(12, 1))
loss_fn = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model[4].parameters(), lr=0.01, eps=1e-7)

for epoch in range(5):
    model.train()
    base.eval()
    for images, labels in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(images).squeeze(1), labels)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())

model.eval()
with torch.no_grad():
    print("accuracy", ((model(x[200:])[:, 0] > 0).float() == y[200:]).float().mean().item())
