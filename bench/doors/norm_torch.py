"""Article 002 in PyTorch, on photos."""

import os

import numpy as np
import torch
import torch.nn as nn
from torch.optim import Adam
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

torch.manual_seed(int(os.environ.get("SEED", "0")))
data = np.load("photos.npz")
transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])


class Photos(Dataset):
    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return transform(self.images[index]), int(self.labels[index])


train = DataLoader(Photos(data["x"][:200], data["y"][:200]), batch_size=32, shuffle=True)
test = DataLoader(Photos(data["x"][200:], data["y"][200:]), batch_size=32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.cnn_layers = nn.Sequential(
            nn.Conv2d(3, 4, kernel_size=3, stride=1, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=2, stride=2),
            nn.Conv2d(4, 4, kernel_size=3, stride=1, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=2, stride=2),
        )
        self.linear_layers = nn.Sequential(nn.Linear(4 * 8 * 8, 10))

    def forward(self, x):
        x = self.cnn_layers(x)
        x = x.view(x.size(0), -1)
        return self.linear_layers(x)


model = Net()
optimizer = Adam(model.parameters(), lr=0.01, eps=1e-7)
criterion = nn.CrossEntropyLoss()
for i in range(5):
    running_loss = 0
    for images, labels in train:
        optimizer.zero_grad()
        output = model(images)
        loss = criterion(output, labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    print(f"Epoch {i + 1} - Training loss: {running_loss / len(train)}")

model.eval()
right = 0
with torch.no_grad():
    for images, labels in test:
        right += (model(images).argmax(1) == labels).sum().item()
print("accuracy", right / 40)
