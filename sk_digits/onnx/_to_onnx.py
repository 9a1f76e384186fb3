"""`to_onnx`: convert fitted models to ONNX files, which predict without Python and torch.

Importing this module registers `DigitANN` and `PixelScaler` with skl2onnx, so that skl2onnx's own
`to_onnx` converts any model that contains them.
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sk_digits._ann.digit_ann import DigitANN
from sk_digits._atomic_write import write_atomically
from sk_digits._selective import SelectiveClassifier, unfreeze

try:
    import onnxruntime  # noqa: F401 - a missing package of the extra is an error right here
    import skl2onnx
    from onnx import ModelProto, TensorProto
    from onnx.helper import make_node, set_model_props, tensor_dtype_to_np_dtype
    from onnx.numpy_helper import from_array
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, UInt8TensorType
    from skl2onnx.common.utils import InvalidInputTypeException
except ImportError as error:
    raise ImportError(
        'ONNX files need skl2onnx and onnxruntime. Install them with: pip install "sk-digits[onnx]"'
    ) from error

from sk_digits.onnx._converters import register_converters

# Old enough for onnxruntime 1.12 and for the runtimes of that time in browsers and phones.
OPSET = 17
ROW_TYPES = {"float32": FloatTensorType, "float64": DoubleTensorType, "uint8": UInt8TensorType}

register_converters()


def _without_idle_steps(model: Any) -> Any:
    """Return the model without the "passthrough" steps of pipelines, unknown to skl2onnx."""
    if not isinstance(model, Pipeline):
        return model
    steps = [(name, step) for name, step in model.steps if step not in (None, "passthrough")]
    return Pipeline([(name, _without_idle_steps(step)) for name, step in steps])


def _split_selective(model: Any) -> tuple[Any, SelectiveClassifier | None]:
    """Return a model without the rejection of its last step, and this step."""
    if isinstance(model, Pipeline):
        last, selective = _split_selective(model.steps[-1][1])
        return Pipeline([*model.steps[:-1], (model.steps[-1][0], last)]), selective
    if not isinstance(model, SelectiveClassifier):
        return model, None
    check_is_fitted(model)
    return unfreeze(model.estimator_), model


def _add_rejection(model: ModelProto, selective: SelectiveClassifier) -> None:
    """Calibrate the probabilities of an ONNX model, and reject rows below the threshold."""
    graph, (labels, probabilities) = model.graph, model.graph.output
    has_background = selective.background_label is not None
    for node in graph.node:
        node.output[:] = [
            f"{name}_before" if name in (labels.name, probabilities.name) else name
            for name in node.output
        ]
    dtype = np.dtype(tensor_dtype_to_np_dtype(probabilities.type.tensor_type.elem_type))
    is_text = labels.type.tensor_type.elem_type == TensorProto.STRING
    constants = {
        "smallest": np.array(np.finfo(dtype).tiny, dtype),  # whose logarithm is finite
        "beta": np.array(selective._logit_scale, dtype),
        "threshold": np.array(selective.threshold_, dtype),
        "reject_label": np.array(selective.reject_label_, object if is_text else np.int64),
        "two": np.array([2], np.int64),
        "columns": selective._columns(),
        "classes": np.array(selective.classes_, object if is_text else np.int64),
    }
    graph.initializer.extend(from_array(array, name) for name, array in constants.items())
    nodes: list[tuple[str, list[str], list[str], dict[str, Any]]] = [
        ("Max", [f"{probabilities.name}_before", "smallest"], ["positive"], {}),
        ("Log", ["positive"], ["logits"], {}),
        ("Mul", ["logits", "beta"], ["tempered"], {}),
        ("Softmax", ["tempered"], ["every"], {"axis": 1}),
        ("Gather", ["every", "columns"], ["joint"], {"axis": 1}),
        ("Gather", ["tempered", "columns"], ["of_classes"], {"axis": 1}),
        ("Softmax", ["of_classes"], [probabilities.name], {"axis": 1}),
    ]
    answers = f"{labels.name}_before"
    if has_background:
        answers = "answers"
        probabilities.type.tensor_type.shape.dim[1].dim_value = len(selective.classes_)
        nodes += [
            ("ArgMax", ["joint"], ["places_of_answers"], {"axis": 1, "keepdims": 0}),
            ("Gather", ["classes", "places_of_answers"], [answers], {}),
        ]
    if selective.method == "margin" and len(selective.classes_) > 1:
        nodes += [
            ("TopK", ["joint", "two"], ["best", "places"], {"axis": 1}),
            ("Split", ["best"], ["first", "second"], {"axis": 1}),
            ("Sub", ["first", "second"], ["margin"], {}),
            ("ReduceMax", ["margin"], ["measure"], {"axes": [1], "keepdims": 0}),
        ]
    else:
        axes = {"axes": [1], "keepdims": 0}
        nodes.append(("ReduceMax", ["joint"], ["measure"], axes))
    nodes += [
        ("Less", ["measure", "threshold"], ["rejected"], {}),
        ("Where", ["rejected", "reject_label", answers], [labels.name], {}),
    ]
    graph.node.extend(make_node(kind, i, o, **about) for kind, i, o, about in nodes)


def to_onnx(
    model: DigitANN | SelectiveClassifier | Pipeline,
    path: str | os.PathLike[str] | None = None,
    *,
    dtype: str = "float32",
) -> ModelProto:
    """Convert a fitted model to ONNX.

    The input of the ONNX model is "X" of shape (n_rows, n_features), with any number of rows. Its
    outputs are "label" of shape (n_rows,) and "probabilities" of shape (n_rows, n_classes). The
    class labels of the columns are stored in its metadata under "classes", as JSON. It computes
    the same as `model`, in the same precision, but does not validate its input: NaN gives NaN.

    Parameters
    ----------
    model : DigitANN, SelectiveClassifier or Pipeline
        A fitted classifier, or a fitted pipeline that ends in one and whose steps skl2onnx can
        convert. These are :class:`~sk_digits.PixelScaler` and most of scikit-learn's transformers,
        but not :class:`~sk_digits.DigitImageNormalizer`. Of a
        :class:`~sk_digits.SelectiveClassifier`, which holds one of these, the ONNX model has the
        calibrated probabilities, and the label of the rows that are rejected.
    path : str or path-like or None, default=None
        Where to save the model; ``.onnx`` is the usual suffix. An existing file is replaced. If
        writing fails, it is kept unchanged. If None, nothing is saved.
    dtype : {"float32", "float64", "uint8"}, default="float32"
        Type of the input rows. "float32" represents pixels of up to 24 bits exactly. "uint8" saves
        the conversion if the first step is a :class:`~sk_digits.PixelScaler`. The probabilities
        are float64 with "float64", else float32.

    Returns
    -------
    onnx.ModelProto
        The ONNX model.

    Raises
    ------
    TypeError
        If `model` is of another type or contains a step that cannot be converted.
    NotFittedError
        If `model` is not fitted.
    ValueError
        If `dtype` is unknown or not accepted by a step, or if the class labels are not strings,
        integers or bools. Bools become 0 and 1.
    OSError
        If the file cannot be written.

    Notes
    -----
    Once this module is imported, ``skl2onnx.to_onnx(model, X[:1])`` works too. It also converts
    searches, voting classifiers and other meta-estimators that contain a
    :class:`~sk_digits.DigitANN`, and has more options. Without ``options={"zipmap": False}``, its
    models return probabilities as a list of dicts.

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
    model, selective = _split_selective(model)
    last = model
    while isinstance(last, Pipeline):
        last = last.steps[-1][1]
    if not isinstance(last, DigitANN):
        raise TypeError(
            f"model must be a fitted DigitANN or a pipeline that ends in one. Got {model!r:.80}. "
            "For a search, pass its best_estimator_. For voting and other meta-estimators, use "
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
            f"In skl2onnx, a step takes no rows of dtype={dtype!r}. Try another dtype. ({error})"
        ) from error
    if selective is not None:
        _add_rejection(converted, selective)
    classes = (model if selective is None else selective).classes_
    set_model_props(converted, {"classes": json.dumps(classes.tolist())})
    if path is not None:
        write_atomically(path, converted.SerializeToString())
    return converted
