"""`to_html`: save a fitted model as one page that reads digits."""

from __future__ import annotations

import os
from typing import Any

from sk_digits._atomic_write import write_atomically
from sk_digits.html._join import join_page
from sk_digits.html._network import describe_model


def to_html(model: Any, path: str | os.PathLike[str], *, precision: str = "int8") -> None:
    """Save a fitted model as one HTML file that reads digits in any browser.

    Who opens the file can draw digits, take photos and choose pictures, of one digit or of several,
    and sees the answer, the probabilities and what each layer of the network computes. The file
    needs no server, no network and no installation: it opens from a disk, and a policy in it
    forbids every connection. The network is computed in JavaScript.

    Drawn digits are prepared like pictures by :class:`~sk_digits.DigitImageNormalizer`. Photos are
    prepared in a simpler way than in Python: ruled lines, shadows and coloured paper are left to
    ``sk-digits demo``.

    Parameters
    ----------
    model : DigitANN, Pipeline or SelectiveClassifier
        A fitted :class:`~sk_digits.DigitANN` of images of 28x28 pixels in [0, 1]; or a pipeline
        that ends in one, whose other steps are :class:`~sk_digits.DigitImageNormalizer` and
        :class:`~sk_digits.PixelScaler`. A :class:`~sk_digits.SelectiveClassifier` may stand around
        the pipeline or in it: its temperature divides the logits, and a digit that it rejects is
        shown as "?", with the best guess. Labels are shown as text.
    path : str or path-like
        Where to save the page; ``.html`` is the usual suffix. An existing file is replaced. If
        writing fails, it is kept unchanged.
    precision : {"int8", "float16", "float32"}, default="int8"
        How weights are stored: in 8 bits with a scale for each unit, in 16 bits, or as they are.
        The page of the reader that comes with the package has 4.4 MB, 9.3 MB or 17 MB.

    Raises
    ------
    TypeError
        If `model` is of another type or has another step.
    NotFittedError
        If `model` is not fitted.
    ValueError
        If `precision` is unknown, if a weight is too large for float16, or if the model was not
        trained on 784 pixels.
    OSError
        If the file cannot be written.

    See Also
    --------
    sk_digits.onnx.to_onnx : Saves a model for programs in other languages.

    Examples
    --------
    >>> import os
    >>> import tempfile
    >>> from sk_digits import make_digit_pipeline
    >>> from sk_digits.datasets import load_digits_28
    >>> from sk_digits.html import to_html
    >>> X, y = load_digits_28(return_X_y=True)
    >>> pipeline = make_digit_pipeline(hidden_layer_sizes=(32,), max_epochs=2).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "digits.html")
    ...     to_html(pipeline, path)
    ...     os.path.getsize(path) < 200_000
    True
    """
    description = describe_model(model, precision)
    html, _ = join_page(labels=description["labels"], model=description)
    write_atomically(path, html.encode())
