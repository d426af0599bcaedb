"""Article 003's net in PyTorch, on grey photos."""

import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(int(os.environ.get("SEED", "0")))
data = np.load("photos.npz")
x = torch.from_numpy(data["x"].mean(3).astype(np.uint8)).float() / 255
y = torch.from_numpy(data["y"])


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(32 * 32, 64)
        self.dropout = nn.Dropout(p=0.2)
        self.out = nn.Linear(64, 10)

    def forward(self, x):
        x = x.view(x.size(0), -1)
        x = self.dropout(F.relu(self.hidden(x)))
        return self.out(x)


net = MLP()
optimizer = torch.optim.Adam(net.parameters(), lr=0.001)
for epoch in range(5):
    net.train()
    order = torch.randperm(200)
    for i in range(0, 200, 32):
        batch = order[i : i + 32]
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())

net.eval()
with torch.no_grad():
    print("accuracy", (net(x[200:]).argmax(1) == y[200:]).float().mean().item())
