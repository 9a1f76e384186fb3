"""`make_bunch`: what all loaders return."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch


def make_bunch(
    images: NDArray[np.uint8],
    target: NDArray[Any],
    return_X_y: bool,
    as_frame: bool,
    **fields: Any,
) -> Bunch | tuple[Any, Any]:
    """Return images and labels as a Bunch with more fields, or alone; as frames where asked."""
    data, labels, frame = images.reshape(len(images), -1), target, None
    names = [f"pixel{i}" for i in range(1, data.shape[1] + 1)]
    if as_frame:
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("as_frame=True needs pandas: pip install pandas.") from error
        data = pd.DataFrame(data, columns=names)
        labels = pd.Series(target, name="target")
        frame = data.assign(target=labels)
    if return_X_y:
        return data, labels
    fields |= {"images": images, "feature_names": names}
    return Bunch(data=data, target=labels, frame=frame, **fields)
