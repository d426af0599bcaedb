"""Handwritten digits in PyTorch, as the articles write it."""

import os

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(os.environ.get("SEED", "0")))

digits = load_digits()
images = (digits.images * 15.9375).astype(np.uint8)[:, None]
labels = digits.target
x = torch.from_numpy(images / 255.0).float()
y = torch.from_numpy(labels).long()
train_data = TensorDataset(x[:1200], y[:1200])
test_data = TensorDataset(x[1200:], y[1200:])
train_loader = DataLoader(train_data, batch_size=32, shuffle=True)
test_loader = DataLoader(test_data, batch_size=32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(0.2)
        self.fc1 = nn.Linear(8 * 4 * 4, 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x):
        x = torch.relu(self.conv1(x))
        x = self.pool(torch.relu(self.conv2(x)))
        x = self.dropout(torch.flatten(x, 1))
        return self.fc2(torch.relu(self.fc1(x)))


model = Net()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.002, eps=1e-7)

for epoch in range(10):
    model.train()
    for batch, target in train_loader:
        optimizer.zero_grad()
        output = model(batch)
        loss = criterion(output, target)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())

model.eval()
right = 0
with torch.no_grad():
    for batch, target in test_loader:
        right += (model(batch).argmax(1) == target).sum().item()
print("accuracy:", right / len(test_data))
