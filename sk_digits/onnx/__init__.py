"""Fitted models as ONNX graphs: `to_onnx`, with skl2onnx behind it.

Read `_to_onnx` first; `_converters` tells skl2onnx about this package's estimators.
"""

from sk_digits.onnx._to_onnx import to_onnx

__all__ = ["to_onnx"]
