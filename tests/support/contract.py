"""Global state, and the bits of a model, in forms to compare."""

import hashlib
import pickle
import random
import signal
import warnings

import numpy as np
import torch


def world():
    """Return all global state that a call could change."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002 - the global one is meant
    return {
        "numpy": (kind, keys.tobytes(), *rest),
        "torch": torch.get_rng_state().numpy().tobytes(),
        "python": random.getstate(),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "grad": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "autocast": (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")),
        "dtype": torch.get_default_dtype(),
        "matmul": torch.get_float32_matmul_precision(),
        "deterministic": (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        "filters": list(warnings.filters),
        "showwarning": warnings.showwarning,
        "errors": np.geterr(),
        "sigint": signal.getsignal(signal.SIGINT),
    }


def sha256_of(ann):
    """Return the SHA-256 of a classifier's weights, batch norm's statistics included."""
    digest = hashlib.sha256()
    for name, tensor in ann.net_.module_.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def state_of(model):
    """Return the pickle of a model, which holds everything that can change."""
    return pickle.dumps(model)
