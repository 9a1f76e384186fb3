"""
How do I train on data that does not fit into memory?
=====================================================

This example trains on a file of distorted digits chunk by chunk with
:meth:`~sk_digits.DigitANN.partial_fit`, first through a memory map, then as a Dask array. Only one
chunk is in memory at a time, however long the file is, and the network becomes about as accurate as
when it is trained on all rows at once.
"""

# %%
# The digits to distort are MNIST if it is available, and otherwise those bundled with scikit-learn.

from pathlib import Path
from tempfile import TemporaryDirectory

import dask
import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
import psutil
import torch

from sk_digits import DigitANN, PixelScaler, RandomWarp
from sk_digits.datasets import fetch_mnist, load_digits_28

N_ROWS = 60_001  # whatever your disk holds; memory does not limit it
CHUNK = 4_096  # rows in memory at a time; a multiple of batch_size
PASSES = 2
PARAMS = {"hidden_layer_sizes": (128,), "lr": 8e-3, "random_state": 0}

try:
    X, y = fetch_mnist(return_X_y=True)
except OSError:
    X, y = load_digits_28(return_X_y=True)
warp = RandomWarp(rotation=10, shear=0.2, scale=0.1, translation=0.05)
rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)


def distort(images):
    """Return a distorted copy of each image."""
    batch = torch.from_numpy(images.reshape(-1, 28, 28).astype(np.float32))
    return warp(batch, generator).flatten(1).clamp(0, 255).numpy()


X_test, y_test = distort(np.tile(X[-500:], (10, 1))), np.tile(y[-500:], 10)

# %%
# Write the file, with 784 float32 pixels per row. The rows must be in random order, so that each
# chunk is a representative sample, because ``partial_fit`` shuffles rows only within a chunk. The
# labels take 8 bytes per row and stay in memory.

folder = TemporaryDirectory()
path = Path(folder.name) / "digits.float32"
source = rng.integers(len(X) - 500, size=N_ROWS)
labels = y[source]
starts = range(0, N_ROWS, CHUNK)  # the last chunk may be shorter
with path.open("wb") as file:
    for start in starts:
        distort(X[source[start : start + CHUNK]]).tofile(file)

# %%
# Train. ``partial_fit`` makes one pass over its rows with a constant learning rate, so this loop has
# to lower the learning rate from chunk to chunk, here with a cosine schedule, and to make several
# passes. ``pixel_max`` is set so that the scale does not depend on the first chunk.

scaler = PixelScaler(pixel_max=X.max()).fit(X[:1])


def train(passes):
    """Train on the chunks of each pass, and record the memory use after each chunk."""
    ann, memory = DigitANN(**PARAMS), []
    before = psutil.Process().memory_info().rss
    progress = np.linspace(0, np.pi, PASSES * len(starts), endpoint=False)
    for chunks in passes:
        for start, chunk in zip(starts, chunks, strict=True):
            ann.set_params(lr=PARAMS["lr"] * (1 + np.cos(progress[len(memory)])) / 2)
            ann.partial_fit(scaler.transform(chunk), labels[start : start + CHUNK], range(10))
            memory.append((psutil.Process().memory_info().rss - before) / 1e6)
    return ann, memory


def read(start):
    """Return a chunk of the file from a new memory map, because read pages count as memory."""
    return np.memmap(path, np.float32, "r", shape=(N_ROWS, 784))[start : start + CHUNK]


ann, memory = train(map(read, starts) for _ in range(PASSES))
print(f"from a memory map: accuracy {ann.score(scaler.transform(X_test), y_test):.4f}")

# %%
# A Dask array is processed block by block. Its blocks can be files, or can be computed on the fly.

blocks = [
    da.from_delayed(dask.delayed(read)(start), (min(CHUNK, N_ROWS - start), 784), np.float32)
    for start in starts
]
array = da.concatenate(blocks)
computed = [(block.compute(scheduler="sync") for block in array.blocks) for _ in range(PASSES)]
again, _ = train(computed)
print(f"from a Dask array: accuracy {again.score(scaler.transform(X_test), y_test):.4f}")

# %%
# For comparison, train on all rows at once if they fit into memory.

try:
    everything = scaler.transform(np.fromfile(path, np.float32).reshape(-1, 784))
except MemoryError:
    print("all at once: does not fit into memory")
else:
    at_once = DigitANN(**PARAMS, max_epochs=PASSES).fit(everything, labels)
    print(f"all at once: accuracy {at_once.score(scaler.transform(X_test), y_test):.4f}")

# %%
# Memory use does not grow with the number of rows, so the file may be as long as you like.

size = {"figsize": (6.4, 4.4), "width_ratios": (2, 3), "layout": "constrained"}
figure, (left, ax) = plt.subplots(1, 2, **size)
figure.suptitle(f"Training on {N_ROWS:,} digits, {CHUNK:,} of them in memory")
left.imshow(np.block([list(row) for row in read(0)[:60].reshape(10, 6, 28, 28)]), cmap="gray_r")
left.set(title="Digits of the file", xticks=[], yticks=[])

file_size = path.stat().st_size / 1e6
rows_seen = np.minimum(CHUNK * np.arange(1, len(memory) + 1), PASSES * N_ROWS) / 1000
ax.fill_between(rows_seen, memory, color="#0072B2")
ax.axhline(file_size, color="#D55E00")
ax.text(rows_seen[0], file_size, "the file", color="#D55E00", va="bottom")
ax.text(rows_seen[0], max(memory), "memory for training on it", color="#0072B2", va="bottom")
ax.set(title="Memory in MB", xlabel="thousands of rows trained on", ylim=(0, 1.15 * file_size))
ax.spines[["top", "right"]].set_visible(False)
folder.cleanup()
