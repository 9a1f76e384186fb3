"""`RandomWarp`: how it changes images, and its place in `DigitANN`."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from support.seeded import seeded
from torch.nn.functional import grid_sample

from sk_digits import DigitANN, RandomWarp, make_digit_pipeline
from sk_digits._network.random_warp import PRESETS, _grid_basis

ALL = {"rotation": 15, "shear": 0.2, "scale": 0.15, "translation": 0.07, "elastic": 0.02}


@pytest.fixture
def images():
    """Return smooth random images that are dark at their borders."""
    images = torch.rand(6, 1, 7, 7, generator=seeded())
    images = torch.nn.functional.interpolate(images, size=(20, 20), mode="bicubic")
    return torch.nn.functional.pad(images.clamp(0, 1), (4, 4, 4, 4)).squeeze(1)


def _warp(images, seed=0, **params):
    return RandomWarp(**params)(images, seeded(seed))


def test_zero_strength_is_the_identity(images):
    """Without any strength, and with p=0, images are not changed."""
    assert torch.equal(_warp(images), images)
    assert torch.equal(_warp(images, p=0, **ALL), images)


@pytest.mark.parametrize("name", ALL)
def test_vanishing_strength_tends_to_the_identity(images, name):
    """A tiny strength of any kind changes pixels by almost nothing."""
    assert not torch.equal(_warp(images, **{name: 1e-6}), images)
    torch.testing.assert_close(_warp(images, **{name: 1e-6}), images, rtol=0, atol=1e-4)


def test_one_pixel_of_translation_is_a_shifted_array(images):
    """A grid that is shifted by one pixel gives the array shifted by one pixel."""
    basis = _grid_basis(28, 28, 0, images.dtype, images.device)
    coefficients = torch.tensor([[1.0, 0, 2 / 28], [0, 1, -2 / 28]])  # look right and up
    grid = (coefficients @ basis).view(1, 2, 28, 28).permute(0, 2, 3, 1).expand(6, -1, -1, -1)
    moved = grid_sample(images.unsqueeze(1), grid, align_corners=False).squeeze(1)
    expected = np.roll(images.numpy(), (1, -1), axis=(1, 2))
    np.testing.assert_allclose(moved.numpy(), expected, atol=1e-5)


def test_translation_moves_the_centre_of_mass_by_no_more_than_its_strength(images):
    """Shifts are uniform up to the strength, a fraction of the width."""
    many = images[:1].expand(500, -1, -1)
    x = torch.arange(28.0)
    mass = many[0].sum()
    before = (many[0].sum(0) * x).sum() / mass
    warped = _warp(many, translation=0.1)
    moves = ((warped.sum(1) * x).sum(1) / warped.sum((1, 2)) - before) / 28
    assert moves.abs().max() <= 0.1 + 1e-4
    assert moves.abs().max() > 0.09
    assert abs(moves.std().item() - 0.1 / 3**0.5) < 0.01


def test_rotation_by_a_right_angle_is_rot90():
    """A rotation by 90 is np.rot90: the unit is degrees."""
    images = torch.rand(1, 9, 9, generator=seeded(1), dtype=torch.float64)

    class AtTheEnd(RandomWarp):
        def _draw(self, out, aspect, generator):
            angle = torch.tensor(np.radians(self.rotation))
            out[:] = torch.tensor([[[angle.cos(), -angle.sin(), 0], [angle.sin(), angle.cos(), 0]]])

    turned = AtTheEnd(rotation=90)(images, torch.Generator())
    np.testing.assert_allclose(turned[0].numpy(), np.rot90(images[0].numpy(), k=1), atol=1e-6)


@pytest.mark.parametrize("shape", [(28, 28), (8, 8), (20, 12), (12, 20)])
def test_a_rotation_keeps_the_distance_from_the_centre(shape):
    """A rotation keeps distances in pixels, also where images are not square."""
    height, width = shape
    images = torch.zeros(300, height, width)
    images[:, height // 2 + 2, width // 2] = 1.0
    warped = _warp(images, rotation=40)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    weights = warped / warped.sum((1, 2), keepdim=True)
    dy = (weights * (y - (height - 1) / 2)).sum((1, 2))
    dx = (weights * (x - (width - 1) / 2)).sum((1, 2))
    torch.testing.assert_close((dx**2 + dy**2).sqrt(), torch.full((300,), 2.55), rtol=0, atol=0.2)


def test_zoom_is_at_most_its_strength():
    """The area of a disc grows by no more than the zoom in both directions."""
    y, x = torch.meshgrid(torch.arange(28), torch.arange(28), indexing="ij")
    disc = ((x - 13.5) ** 2 + (y - 13.5) ** 2 < 49).float().expand(400, -1, -1)
    areas = _warp(disc, scale=0.2).sum((1, 2)) / disc[0].sum()
    assert areas.max() <= 1.2**2 * 1.02
    assert areas.min() >= 1.2**-2 * 0.98
    assert areas.max() > 1.3


def test_elastic_is_the_standard_deviation_at_the_nodes():
    """The displacement at a corner, a node, has the given deviation in image widths."""
    warp = RandomWarp(elastic=0.03, elastic_grid=4)
    coefficients = torch.empty(4000, 2, 3 + 16)
    warp._draw(coefficients, 1.0, seeded())
    basis = _grid_basis(28, 28, 4, torch.float32, torch.device("cpu"))
    field = (coefficients[:, :, 3:] @ basis[3:]).view(4000, 2, 28, 28) / 2
    np.testing.assert_allclose(field[:, :, 0, 0].std(0), 0.03, rtol=0.05)
    np.testing.assert_allclose(field[:, :, -1, -1].std(0), 0.03, rtol=0.05)
    steps = field.diff(dim=3).abs().max()
    assert steps < 0.06  # smooth: no jump between neighbours


def test_each_image_is_warped_in_its_own_way():
    """Equal images are warped differently."""
    same = torch.rand(1, 28, 28).expand(2, -1, -1)
    first, second = _warp(same, rotation=10)
    assert not torch.equal(first, second)


def test_only_the_given_generator_is_used(images):
    """Equal generators give equal images, and torch's global generator is not used."""
    before = torch.get_rng_state()
    assert torch.equal(_warp(images, seed=3, **ALL), _warp(images, seed=3, **ALL))
    assert not torch.equal(_warp(images, seed=3, **ALL), _warp(images, seed=4, **ALL))
    assert torch.equal(torch.get_rng_state(), before)


def test_p_is_the_share_of_warped_images():
    """A fraction p of the images is changed, the others stay equal to the bit."""
    images = torch.rand(1000, 8, 8, generator=seeded())
    changed = (_warp(images, rotation=20, p=0.3) != images).any(dim=(1, 2))
    assert 0.25 < changed.float().mean() < 0.35


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept_and_values_stay_in_range(images, dtype):
    """Warped images keep dtype and shape and stay between 0 and the largest pixel."""
    warped = _warp(images.to(dtype), **ALL)
    assert warped.dtype == dtype
    assert warped.shape == images.shape
    assert warped.min() >= 0
    assert warped.max() <= images.max() + 1e-6


def test_one_setting_serves_all_sizes():
    """One warp moves a small and a large version of an image alike."""
    large = torch.zeros(1, 64, 64)
    large[:, 16:48, 24:40] = 1.0
    small = torch.nn.functional.avg_pool2d(large, 4)
    warped_small = _warp(small, **ALL)
    warped_large = torch.nn.functional.avg_pool2d(_warp(large, **ALL), 4)
    assert (warped_small - warped_large).abs().mean() < 0.02
    assert (warped_small - small).abs().mean() > 0.05


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"rotation": -1}, r"'rotation' parameter of RandomWarp .*\[0, inf\). Got -1"),
        ({"shear": float("nan")}, "'shear' parameter .* Got nan"),
        ({"scale": "big"}, "'scale' parameter .* Got 'big'"),
        ({"translation": float("inf")}, "'translation' parameter .* Got inf"),
        ({"elastic_grid": 1}, "'elastic_grid' parameter .*an int from 2 to 32. Got 1"),
        ({"elastic_grid": 2.5}, "'elastic_grid' parameter .* Got 2.5"),
        ({"p": 1.5}, r"'p' parameter .*\[0, 1\]. Got 1.5"),
        ({"elastic": True}, "'elastic' parameter .* Got True"),
    ],
)
def test_wrong_parameters_are_named(digits, params, message):
    """fit names the wrong parameter of the warp, its value, and what is allowed."""
    with pytest.raises(ValueError, match=message):
        DigitANN((4,), augmentation=RandomWarp(**params)).fit(*digits)


def test_parameters_are_scikit_learns(images):
    """get_params, set_params and clone work, also within a pipeline."""
    pipeline = make_digit_pipeline(augmentation=RandomWarp(rotation=5))
    pipeline.set_params(ann__augmentation__rotation=7)
    copy = clone(pipeline)
    assert copy.get_params()["ann__augmentation__rotation"] == 7
    assert copy["ann"].augmentation is not pipeline["ann"].augmentation
    with pytest.raises(ValueError, match="no parameter 'rotatoin'"):
        RandomWarp().set_params(rotatoin=3)


def test_strength_can_be_searched(digits):
    """A grid search over the rotation runs and reports each value."""
    pipeline = make_digit_pipeline(
        hidden_layer_sizes=(16,), max_epochs=2, augmentation=RandomWarp(), random_state=0
    )
    search = GridSearchCV(pipeline, {"ann__augmentation__rotation": [0, 15.0]}, cv=2)
    search.fit(digits[0][:200], digits[1][:200])
    assert list(search.cv_results_["param_ann__augmentation__rotation"]) == [0, 15.0]


@pytest.mark.parametrize("augmentation", [*PRESETS, RandomWarp(**ALL)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_augmented_training_learns(digits, augmentation, dtype):
    """Training on distorted digits learns to read undistorted ones, in float32 and float64."""
    X, y = digits[0].astype(dtype), digits[1]
    ann = DigitANN((64,), augmentation=augmentation, max_epochs=40, random_state=0)
    ann.fit(X[:1200], y[:1200])
    assert ann.score(X[1200:], y[1200:]) > 0.85
    assert ann.predict_proba(X[:1]).dtype == dtype


def test_a_width_that_is_not_a_square_needs_an_image_shape(digits):
    """The error asks for image_shape, and with it training runs."""
    X, y = digits[0][:, :40], digits[1]
    ann = DigitANN((8,), augmentation="affine", max_epochs=1)
    with pytest.raises(ValueError, match=r"40 features are no square.*image_shape=\(height, width"):
        ann.fit(X, y)
    ann.set_params(image_shape=(5, 8)).fit(X, y)
    assert ann.net_.training_params.image_shape == (5, 8)


def test_image_shape_must_fit_the_width(digits):
    """A shape of another number of pixels is a ValueError that shows both numbers."""
    with pytest.raises(ValueError, match=r"image_shape=\(7, 8\) is 56 pixels, but X has 64"):
        DigitANN((4,), image_shape=(7, 8)).fit(*digits)
