"""Article 001's net in PyTorch, on photos of 32 x 32."""

import os

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(os.environ.get("SEED", "0")))
data = np.load("photos.npz")
x = torch.tensor(data["x"] / 255.0, dtype=torch.float32).permute(0, 3, 1, 2)
y = torch.tensor(data["y"])
train_loader = DataLoader(TensorDataset(x[:200], y[:200]), batch_size=20, shuffle=True)
test_loader = DataLoader(TensorDataset(x[200:], y[200:]), batch_size=20)

model = nn.Sequential(
    nn.Conv2d(3, 8, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(8, 12, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(12, 12, 3),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(12 * 4 * 4, 24),
    nn.ReLU(),
    nn.Linear(24, 10),
)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

for epoch in range(5):
    model.train()
    for images, labels in train_loader:
        optimizer.zero_grad()
        loss = loss_fn(model(images), labels)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: loss {loss.item():.4f}")

model.eval()
correct = 0
with torch.no_grad():
    for images, labels in test_loader:
        correct += (model(images).argmax(1) == labels).sum().item()
print("accuracy", correct / 40)
