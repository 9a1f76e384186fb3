"""`PixelScaler` warns of images in other units than those of training, and only of them."""

import numpy as np
import pytest
import scipy.sparse as sp

from sk_digits import PixelScaler


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.csc_array])
@pytest.mark.parametrize(
    ("trained", "given", "problem"),
    [
        ([0, 1], [0, 255], r"up to 255 are beyond pixel_max_=1\b"),
        ([0, 255], [0, 256], r"up to 256 are beyond pixel_max_=255\b"),
        ([0, 255], [0, -300], r"up to 300 are beyond pixel_max_=255\b"),
        ([0, 255], [0.25, 1], r"up to 1 are mere fractions of pixel_max_=255\b"),
        ([0, 65535], [0, 0.5], r"up to 0\.5 are mere fractions of pixel_max_=65535\b"),
    ],
)
def test_other_units_than_in_training_are_a_warning(container, trained, given, problem):
    """Values beyond the range, and fractions where full ink is 255, warn once and are scaled."""
    scaler = PixelScaler().fit(container(np.array([trained], dtype=float)))
    with pytest.warns(UserWarning, match=f"PixelScaler: values {problem}.*same units") as caught:
        out = scaler.transform(container(np.array([given], dtype=float)))
    assert len(caught) == 1
    out = out.toarray() if sp.issparse(out) else out
    np.testing.assert_allclose(out, np.array([given]) / scaler.pixel_max_)


def test_the_warning_points_at_the_callers_line():
    """The traceback of the warning names this file and no file of scikit-learn."""
    scaler = PixelScaler().fit([[0, 1]])
    with pytest.warns(UserWarning, match="are beyond pixel_max_=1") as caught:
        scaler.transform([[0, 255]])
    assert caught[0].filename == __file__


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.parametrize(
    ("trained", "given"),
    [
        ([0, 255], [0, 0]),
        ([0, 255], [0, 1]),
        ([0, 255], [0.5, 2]),
        ([0, 16], [0.5, 0.25]),
        ([0, 1], [0, 1]),
    ],
)
def test_images_that_may_be_in_the_same_units_are_no_warning(container, trained, given):
    """Blank and dim images, and fractions of small units, pass in silence."""
    scaler = PixelScaler().fit(container(np.array([trained], dtype=float)))
    out = scaler.transform(container(np.array([given], dtype=float)))
    assert out.shape == (1, 2)


def test_what_interpolation_rounds_up_is_no_other_unit():
    """A value a few roundings above full ink does not warn; pytest makes an error of a warning."""
    scaler = PixelScaler().fit([[0.0, 255.0]])
    assert scaler.transform([[0.0, 255.0002]]).max() == pytest.approx(1)
