"""Converters for skl2onnx: the output shapes and the ONNX graphs of this package's estimators."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
import skl2onnx
import torch
from numpy.typing import NDArray
from onnx.helper import np_dtype_to_tensor_dtype
from onnx.numpy_helper import from_array
from skl2onnx.common.data_types import (
    DoubleTensorType,
    Int64TensorType,
    StringTensorType,
    guess_tensor_type,
)
from skl2onnx.common.utils_classifier import get_label_classes
from sklearn.utils.validation import check_is_fitted

from sk_digits._ann.digit_ann import DigitANN
from sk_digits._images.digit_image_normalizer import DigitImageNormalizer
from sk_digits._images.pixel_scaler import PixelScaler
from sk_digits._network.mlp import BatchNorm, Dropout, Linear

_ACTIVATIONS = {torch.nn.ReLU: "Relu", torch.nn.Sigmoid: "Sigmoid", torch.nn.Tanh: "Tanh"}


class _Graph:
    """The ONNX graph under construction: skl2onnx's source of names and container of nodes."""

    def __init__(self, scope: Any, container: Any) -> None:
        self._scope = scope
        self._container = container

    def add(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        output = output or self._scope.get_unique_variable_name(kind.lower())
        name = self._scope.get_unique_operator_name(kind)
        self._container.add_node(kind, list(inputs), output, name=name, **attributes)
        return output

    def cast(self, value: str, dtype: Any, output: str | None = None) -> str:
        """Add a conversion to a NumPy dtype and return the name of its output."""
        return self.add("Cast", value, output=output, to=np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def constant(self, array: NDArray[Any]) -> str:
        """Add a constant, an array of numbers or an object array of str, and return its name."""
        name = self._scope.get_unique_variable_name("constant")
        tensor = from_array(np.ascontiguousarray(array))
        content = tensor.string_data or tensor  # skl2onnx takes strings only as a list
        self._container.add_initializer(name, tensor.data_type, array.shape, content)
        return name


def _check_operator(operator: Any) -> None:
    """Check that the estimator is fitted and that its input has as many features as in fit."""
    estimator = operator.raw_operator
    check_is_fitted(estimator)
    shapes = [variable.type.shape for variable in operator.inputs]
    if len(shapes) != 1 or shapes[0][1] not in (None, estimator.n_features_in_):
        raise ValueError(
            f"{type(estimator).__name__} takes one input of shape [None, "
            f"{estimator.n_features_in_}]. Got {shapes}."
        )


def _float_type(variable: Any) -> type[np.floating[Any]]:
    """Return the floating-point type to which the estimators convert rows of this type."""
    return np.float64 if isinstance(variable.type, DoubleTensorType) else np.float32


def _shape_scaler(operator: Any) -> None:
    _check_operator(operator)
    (rows,), (scaled,) = operator.inputs, operator.outputs
    scaled.type.shape = [rows.get_first_dimension(), operator.raw_operator.n_features_in_]


def _convert_scaler(scope: Any, operator: Any, container: Any) -> None:
    graph = _Graph(scope, container)
    (rows,), (scaled,) = operator.inputs, operator.outputs
    dtype = _float_type(rows)
    factor = operator.raw_operator._factor(np.dtype(dtype))
    values = graph.cast(graph.cast(rows.full_name, dtype), factor.dtype)
    quotient = graph.add("Div", values, graph.constant(factor))
    graph.cast(quotient, dtype, output=scaled.full_name)


def _as_onnx_labels(classes: NDArray[Any]) -> NDArray[Any]:
    """Return the class labels as strings or int64, the only types that ONNX classifiers support."""
    if all(isinstance(label, str) for label in classes):
        return np.array(classes, dtype=object)
    if classes.dtype.kind in "biuf" and (classes.astype(np.int64) == classes).all():
        return classes.astype(np.int64)
    raise ValueError(
        f"Labels of an ONNX model must be strings or integers. Got {classes.tolist()[:10]}."
    )


def _shape_ann(operator: Any) -> None:
    _check_operator(operator)
    (rows,), (label, scores) = operator.inputs, operator.outputs
    classes = _as_onnx_labels(get_label_classes(operator.scope_inst, operator.raw_operator))
    n_rows = rows.get_first_dimension()
    label_type = StringTensorType if classes.dtype == object else Int64TensorType
    label.set_type(label_type([n_rows]))
    scores.set_type(type(guess_tensor_type(rows.type))([n_rows, len(classes)]))


def _convert_ann(scope: Any, operator: Any, container: Any) -> None:
    graph = _Graph(scope, container)
    ann = operator.raw_operator
    (rows,), (label, scores) = operator.inputs, operator.outputs
    logits = graph.cast(rows.full_name, ann.net_.architecture.dtype)
    for layer in ann.net_.module_:
        logits = _add_layer(graph, layer, logits)
    # From the logits, as in predict: probabilities can be equal where logits differ.
    winners = graph.add("ArgMax", logits, axis=1, keepdims=0)
    classes = graph.constant(_as_onnx_labels(get_label_classes(scope, ann)))
    graph.add("Gather", classes, winners, output=label.full_name)
    if not scope.get_options(ann, {"raw_scores": False})["raw_scores"]:
        result = graph.add("Softmax", logits, axis=1)
    elif len(ann.classes_) == 2:  # two columns, as skl2onnx makes for scikit-learn's classifiers
        signs = np.array([[1, -1], [-1, 1]], dtype=ann.net_.architecture.dtype)
        result = graph.add("MatMul", logits, graph.constant(signs))
    else:
        result = logits
    graph.cast(result, _float_type(scores), output=scores.full_name)


def _add_layer(graph: _Graph, layer: torch.nn.Module, value: str) -> str:
    """Add the nodes that compute a layer in evaluation mode and return the name of the output."""
    if isinstance(layer, (Dropout, torch.nn.Identity)):
        return value
    if isinstance(layer, Linear):
        value = graph.add("MatMul", value, _constant(graph, layer.weight.T))
        if layer.bias is not None:
            value = graph.add("Add", value, _constant(graph, layer.bias))
        return value
    if isinstance(layer, BatchNorm):
        assert layer.running_var is not None
        # The attribute epsilon would be rounded to float32, even in a float64 network.
        variance = layer.running_var + layer.eps
        statistics = (layer.weight, layer.bias, layer.running_mean, variance)
        constants = [_constant(graph, tensor) for tensor in statistics]
        return graph.add("BatchNormalization", value, *constants, epsilon=0.0)
    return graph.add(_ACTIVATIONS[type(layer)], value)


def _constant(graph: _Graph, tensor: Any) -> str:
    return graph.constant(tensor.detach().cpu().numpy())


def _refuse_images(operator: Any) -> NoReturn:
    raise TypeError(
        "DigitImageNormalizer cannot be converted to ONNX, which has no operations that find the "
        "ink in an image. Export the steps after it with to_onnx(pipeline[1:]), and pass the "
        "output of DigitImageNormalizer.transform to the ONNX model."
    )


def register_converters() -> None:
    """Register the estimators with skl2onnx, which then treats them like scikit-learn's own."""
    options = {
        "zipmap": [True, False, "columns"],
        "nocl": [True, False],
        "output_class_labels": [False, True],
        "raw_scores": [True, False],
    }
    register = skl2onnx.update_registered_converter
    register(PixelScaler, "SkDigitsPixelScaler", _shape_scaler, _convert_scaler)
    register(DigitANN, "SkDigitsDigitANN", _shape_ann, _convert_ann, options=options)
    # The shapes come first, so the converter is never called.
    register(DigitImageNormalizer, "SkDigitsDigitImageNormalizer", _refuse_images, _convert_scaler)
