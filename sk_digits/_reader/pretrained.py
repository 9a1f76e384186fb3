"""`load_reader`: a trained reader of pictures, whose weights come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sklearn.pipeline import Pipeline

from sk_digits._images.digit_image_normalizer import DigitImageNormalizer
from sk_digits._model_files.save_and_load import load_model

READER = Path(__file__).with_name("reader.safetensors")  # benchmarks/train_reader.py makes it


def load_reader() -> Pipeline:
    """Return a trained classifier of pictures of handwritten digits.

    It is a fitted pipeline, "image" (:class:`DigitImageNormalizer`), "scaler"
    (:class:`PixelScaler`) and "ann" (:class:`DigitANN`), which takes file names, PIL images and
    arrays. Its labels are the integers from 0 to 9. It was trained on MNIST's 60,000 training
    images with stronger distortions than :func:`make_digit_pipeline` has, so that it reads people
    who write unlike MNIST's. The weights come with the package: nothing is downloaded.

    Returns
    -------
    sklearn.pipeline.Pipeline
        A new object at each call, which can be changed, saved with :func:`save_model`, or trained
        further. ``reader[1:]`` is the classifier of rows of 784 pixels.

    Raises
    ------
    ModelFileError
        If the file of the weights is damaged: its SHA-256 is checked.

    See Also
    --------
    read_page : Reads all digits of a page.
    make_digit_pipeline : The classifier to train on digits of your own.

    Notes
    -----
    The page "The trained reader" of the documentation says how it was trained and how often it is
    right. The file ``_reader/reader.safetensors`` of the package has the same as its metadata, for
    :func:`read_metadata`.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_digits import load_reader
    >>> picture = np.full((120, 90), 240, dtype=np.uint8)  # a dark 1 on light paper
    >>> picture[20:100, 40:48] = 30
    >>> load_reader().predict([picture])
    array([1])
    """
    return load_model(READER)


def split_reader(reader: Any) -> tuple[DigitImageNormalizer, Any]:
    """Return what makes rows of pictures, and the classifier of rows, of either as a reader."""
    if isinstance(reader, Pipeline) and isinstance(reader[0], DigitImageNormalizer):
        return reader[0], reader[1:]
    return DigitImageNormalizer(), reader
