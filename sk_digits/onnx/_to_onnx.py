"""`to_onnx`: fitted models as ONNX files, for what predicts without Python or without torch.

To import this module registers `DigitANN` and `PixelScaler` with skl2onnx, so that its own
`to_onnx` converts whatever holds them.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sk_digits._ann.digit_ann import DigitANN
from sk_digits._atomic_write import write_atomically

try:
    import onnxruntime  # noqa: F401 - all that the extra has is missed at once
    import skl2onnx
    from onnx.helper import set_model_props
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, UInt8TensorType
    from skl2onnx.common.utils import InvalidInputTypeException
except ImportError as error:
    raise ImportError(
        'ONNX files need skl2onnx and onnxruntime. Install them with: pip install "sk-digits[onnx]"'
    ) from error

from sk_digits.onnx._converters import register_converters

if TYPE_CHECKING:
    from onnx import ModelProto


# Old enough for onnxruntime 1.12 and its like in browsers and phones.
OPSET = 17
ROW_TYPES = {"float32": FloatTensorType, "float64": DoubleTensorType, "uint8": UInt8TensorType}

register_converters()


def _without_idle_steps(model: Any) -> Any:
    """Leave out the "passthrough" of pipelines, which skl2onnx does not know."""
    if not isinstance(model, Pipeline):
        return model
    steps = [(name, step) for name, step in model.steps if step not in (None, "passthrough")]
    return Pipeline([(name, _without_idle_steps(step)) for name, step in steps])


def to_onnx(
    model: DigitANN | Pipeline,
    path: str | os.PathLike[str] | None = None,
    *,
    dtype: str = "float32",
) -> ModelProto:
    """Convert a fitted model to ONNX.

    The ONNX model takes rows "X" of shape (n_rows, n_features), any number of them, and gives
    "label" of shape (n_rows,) and "probabilities" of shape (n_rows, n_classes). The labels of the
    columns stand in its metadata as "classes", in JSON. It computes what `model` does, in the same
    precision, but does not check its input: NaN gives NaN.

    Parameters
    ----------
    model : DigitANN or Pipeline
        A fitted classifier, or a fitted pipeline that ends in one, of steps that skl2onnx can
        convert: :class:`~sk_digits.PixelScaler` and most of scikit-learn's,
        :class:`~sk_digits.DigitImageNormalizer` not.
    path : str or path-like or None, default=None
        Where to save the model; ``.onnx`` is the usual suffix. The file appears whole or not at
        all, and replaces what is there. None saves nothing.
    dtype : {"float32", "float64", "uint8"}, default="float32"
        Type of the rows. float32 holds all pixels of up to 24 bits as they are; "uint8" spares
        the conversion where a :class:`~sk_digits.PixelScaler` comes first. With "float64"
        probabilities are float64, else float32.

    Returns
    -------
    onnx.ModelProto
        The ONNX model.

    Raises
    ------
    TypeError
        If `model` is of another type, or has a step that cannot become ONNX.
    NotFittedError
        If `model` is not fitted.
    ValueError
        If `dtype` is none of those above, or none that a step takes, or labels are neither strings
        nor integers nor bools, which become 0 and 1.
    OSError
        If the file cannot be written. What is at `path` is then as it was.

    Notes
    -----
    Once this module is imported, ``skl2onnx.to_onnx(model, X[:1])`` works, too, also for searches,
    votes and whatever else holds a :class:`~sk_digits.DigitANN` that skl2onnx can convert. It has
    more options and, without ``options={"zipmap": False}``, gives probabilities as a list of dicts.

    Examples
    --------
    >>> import onnxruntime
    >>> from sk_digits import make_digit_pipeline
    >>> from sk_digits.datasets import load_digits_28
    >>> from sk_digits.onnx import to_onnx
    >>> X, y = load_digits_28(return_X_y=True)
    >>> pipeline = make_digit_pipeline(hidden_layer_sizes=(32,), max_epochs=2).fit(X, y)
    >>> content = to_onnx(pipeline, dtype="uint8").SerializeToString()
    >>> labels, probabilities = onnxruntime.InferenceSession(content).run(None, {"X": X})
    >>> bool((labels == pipeline.predict(X)).all()), probabilities.shape
    (True, (1797, 10))
    """
    last = model
    while isinstance(last, Pipeline):
        last = last.steps[-1][1]
    if not isinstance(last, DigitANN):
        raise TypeError(
            "model must be a fitted DigitANN, or a pipeline that ends in one. Got "
            f"{model!r:.80}. Of a search, give the best_estimator_; for votes and the like, see "
            "skl2onnx.to_onnx."
        )
    if dtype not in ROW_TYPES:
        raise ValueError(f"dtype must be one of {list(ROW_TYPES)}. Got {dtype!r}.")
    check_is_fitted(model)
    steps = _without_idle_steps(model)
    rows = ROW_TYPES[dtype]([None, getattr(steps, "n_features_in_", None)])
    try:
        converted = skl2onnx.to_onnx(
            steps,
            initial_types=[("X", rows)],
            options={id(steps): {"zipmap": False}},
            target_opset=OPSET,
        )
    except InvalidInputTypeException as error:
        raise ValueError(
            f"A step takes no rows of dtype={dtype!r} in skl2onnx. Try another dtype. ({error})"
        ) from error
    set_model_props(converted, {"classes": json.dumps(model.classes_.tolist())})
    if path is not None:
        write_atomically(path, converted.SerializeToString())
    return converted
