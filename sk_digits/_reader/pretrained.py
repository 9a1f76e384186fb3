"""`load_reader`: a trained reader of pictures, whose weights come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline

from sk_digits._images.digit_image_normalizer import DigitImageNormalizer
from sk_digits._model_files.save_and_load import load_model
from sk_digits._selective import SelectiveClassifier

if TYPE_CHECKING:
    from numpy.typing import NDArray

READER = Path(__file__).with_name("reader.safetensors")  # benchmarks/train_reader.py makes it


def load_reader() -> Pipeline:
    """Return a trained classifier of pictures of handwritten digits.

    It is a fitted pipeline, "image" (:class:`DigitImageNormalizer`), "scaler"
    (:class:`PixelScaler`) and "selective" (:class:`SelectiveClassifier` of a :class:`DigitANN`),
    which takes file names, PIL images and arrays. Its labels are the integers from 0 to 9, and -1
    for a picture that it rejects, because it is not sure or takes it for something else than a
    digit. Of its answers at most one in 1,000 is wrong, with 95 % confidence, if the pictures are
    like MNIST's test images, by which it was calibrated. ``reader["selective"].set_max_risk(0.01)``
    lets it answer more, ``set_max_risk(1)`` always.

    It was trained on MNIST's 60,000 training images with stronger distortions than
    :func:`make_digit_pipeline` has, so that it reads people who write unlike MNIST's, and on
    pictures that are no digits, made of the same images. The weights come with the package: nothing
    is downloaded.

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


def find_selective(reader: Any) -> SelectiveClassifier | None:
    """Return the selective classifier that a reader is or ends in, if there is one."""
    last = reader[-1] if isinstance(reader, Pipeline) else reader
    return last if isinstance(last, SelectiveClassifier) else None


def read_rows(classifier: Any, X: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the probabilities of the labels in each row, and whether each row is answered.

    The probabilities that a selective classifier gives to a row that may be of no class sum to less
    than 1.
    """
    selective = find_selective(classifier)
    if selective is None:
        return classifier.predict_proba(X), np.ones(len(X), dtype=bool)
    rows = classifier[:-1].transform(X) if selective is not classifier else X
    probabilities = selective._predict_joint(rows)
    return probabilities, selective._measure(probabilities) >= selective.threshold_
