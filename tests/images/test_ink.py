"""The pieces of the finder of ink that have an oracle."""

import numpy as np
import pytest
from scipy import ndimage

from sk_digits._images.ink import _median_of_nine


@pytest.mark.parametrize("shape", [(190, 170), (101, 3), (5, 120), (1, 9)])
def test_the_median_of_nine_is_scipys(shape):
    """Also with equal values, and at the borders."""
    values = np.random.default_rng(0).random(shape, np.float32)
    values[values < 0.3] = 0.1
    median = _median_of_nine(values)
    assert median.dtype == np.float32
    np.testing.assert_array_equal(median, ndimage.median_filter(values, 3))
