"""Condense handwritten digits to one image per class, train a network on them in plain PyTorch, and test it."""

import torch
from torch.utils.data import DataLoader

from condensation import DM, CondensedSet, ConvNet, Fresh, Random, Recipe, Rng, condense, evaluate, grid, load

data = load("digits")  # bundled: 1,438 training and 359 test images of 8 x 8

# A narrow ConvNet and few steps take seconds; the paper has width 128, 256 real images per class and 20,000 steps.
method = DM(steps=100, batch_per_class=64, networks=Fresh(ConvNet(width=32)))
small = condense(method, data.train, ipc=1)
random = condense(Random(), data.train, ipc=1)

recipe = Recipe(epochs=100)
for name, images in {"DM": small, "random": random}.items():
    print(f"{name:>6}: {evaluate(images, data.test, network=ConvNet(width=32), recipe=recipe, networks=3)}")

# One file holds the images and their preprocessing.
CondensedSet(small).save("digits.safetensors")
grid(small, data.train, title="digits, DM, 1 image per class").save("digits.png")

# Later: an ordinary PyTorch dataset, and the preprocessing for test images.
saved = CondensedSet.load("digits.safetensors")
network = ConvNet(width=32).build(saved.images.shape, saved.images.num_classes, Rng(0))
optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
for _ in range(200):
    for images, labels in DataLoader(saved.dataset(), batch_size=10, shuffle=True):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
with torch.no_grad():
    right = network(saved.preprocessing(data.test.pictures())).argmax(1) == data.test.labels
print(f"plain PyTorch, no augmentation: {100 * right.float().mean():.1f}")
