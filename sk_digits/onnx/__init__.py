"""Fitted models as ONNX graphs: `to_onnx`, built on skl2onnx.

Read `_to_onnx` first. `_converters` teaches skl2onnx to convert the estimators of this package.
"""

from sk_digits.onnx._to_onnx import to_onnx

__all__ = ["to_onnx"]
