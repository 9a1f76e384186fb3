"""`SlowModel`: a classifier that never ends with a crowded page."""

import time

import numpy as np


class SlowModel:
    """Takes a minute where it is given more than one digit at once."""

    n_features_in_ = 784
    classes_ = np.arange(10)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the probability of each label, which is always the same."""
        if len(X) > 1:
            time.sleep(60)
        return np.full((len(X), 10), 0.1)
