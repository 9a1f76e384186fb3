"""`seeded`: torch's random generators."""

import torch


def seeded(seed=0):
    """Return a new generator with the seed."""
    return torch.Generator().manual_seed(seed)
