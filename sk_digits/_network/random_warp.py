"""Random distortions of images that keep their labels: `RandomWarp`."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Self

import torch
from torch.nn.functional import grid_sample, interpolate

from sk_digits._constraints import constrained, read_fields, real, whole


@lru_cache(maxsize=16)
def _grid_basis(
    height: int, width: int, nodes: int, dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    """Return basis functions on the pixels; every sampling grid is a linear combination of them.

    They are x and y, in half widths from the centre; the constant 1; and, for each of
    ``nodes * nodes`` points of a regular grid over the image, a smooth bump that is 1 there and 0
    at the other points.

    Returns
    -------
    torch.Tensor of shape (3 + nodes * nodes, height * width)
    """
    x = (2 * torch.arange(width, dtype=dtype, device=device) + 1) / width - 1
    y = ((2 * torch.arange(height, dtype=dtype, device=device) + 1) / height - 1) * height / width
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    plane = torch.stack([grid_x, grid_y, torch.ones_like(grid_x)]).flatten(1)
    if nodes == 0:
        return plane
    peaks = torch.eye(nodes * nodes, dtype=dtype, device=device).view(-1, 1, nodes, nodes)
    bumps = interpolate(peaks, size=(height, width), mode="bicubic", align_corners=True)
    return torch.cat([plane, bumps.flatten(1)])


@dataclass
class RandomWarp:
    """Random affine maps with smooth elastic fields, drawn anew for each image.

    A call draws for each image a rotation, a shear, a zoom along either axis and a translation,
    each uniform between minus and plus its strength, adds a smooth random displacement field,
    and samples the image once, bilinearly, with zeros outside. Lengths are fractions of the image
    width, so that one setting suits images of any size. With all strengths 0, the default, images
    stay as they are.

    Parameters
    ----------
    rotation : float, default=0.0
        Largest angle, in degrees.
    shear : float, default=0.0
        Largest sideways displacement per height: 0.25 slants a stroke by up to 14°.
    scale : float, default=0.0
        Largest zoom: 0.15 is a factor between 1 / 1.15 and 1.15, uniform in its logarithm.
    translation : float, default=0.0
        Largest shift in either direction, as a fraction of the width.
    elastic : float, default=0.0
        Standard deviation of the displacement field at its nodes, in either direction, as a
        fraction of the width.
    elastic_grid : int, default=5
        Nodes of the field along either axis, from 2 to 32, with cubic interpolation in between.
        More nodes make strokes tremble, fewer bend the image as a whole.
    p : float, default=1.0
        Probability that an image is warped at all.

    References
    ----------
    .. [1] P. Y. Simard, D. Steinkraus and J. C. Platt, "Best Practices for Convolutional Neural
       Networks Applied to Visual Document Analysis", 2003.

    Examples
    --------
    >>> import torch
    >>> from sk_digits import RandomWarp
    >>> images = torch.zeros(2, 28, 28)
    >>> images[:, 4:24, 13:15] = 1.0  # two vertical strokes
    >>> warped = RandomWarp(rotation=15)(images, torch.Generator().manual_seed(0))
    >>> warped.shape, bool((warped[0] != warped[1]).any())
    (torch.Size([2, 28, 28]), True)
    """

    rotation: float = constrained(real(0), default=0.0)
    shear: float = constrained(real(0), default=0.0)
    scale: float = constrained(real(0), default=0.0)
    translation: float = constrained(real(0), default=0.0)
    elastic: float = constrained(real(0), default=0.0)
    elastic_grid: int = constrained(whole(2, 32), default=5)
    p: float = constrained(real(0, 1, closed="both"), default=1.0)

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Warp a batch of images.

        Parameters
        ----------
        images : torch.Tensor of shape (n_images, height, width)
            float32 or float64, on any device.
        generator : torch.Generator
            Source of all random numbers, on the device of the images.

        Returns
        -------
        torch.Tensor of shape (n_images, height, width)
            New images, or the given ones if no strength is above 0.
        """
        if self.p == 0 or not any(
            (self.rotation, self.shear, self.scale, self.translation, self.elastic)
        ):
            return images
        n, height, width = images.shape
        nodes = self.elastic_grid if self.elastic > 0 else 0
        basis = _grid_basis(height, width, nodes, images.dtype, images.device)
        coefficients = images.new_empty(n, 2, len(basis))
        self._draw(coefficients, height / width, generator)
        grid = (coefficients.view(2 * n, -1) @ basis).view(n, 2, height, width)
        warped = grid_sample(
            images.unsqueeze(1), grid.permute(0, 2, 3, 1), align_corners=False
        ).squeeze(1)
        if self.p == 1:
            return warped
        chosen = torch.rand(n, 1, 1, generator=generator, device=images.device) < self.p
        return torch.where(chosen, warped, images)

    def _draw(self, out: torch.Tensor, aspect: float, generator: torch.Generator) -> None:
        """Draw the coefficients of the sampling grids: x in half widths, y in half heights."""
        n, _, n_basis = out.shape
        draws = torch.rand(6, n, generator=generator, dtype=out.dtype, device=out.device)
        angle, shear, zoom_x, zoom_y, shift_x, shift_y = draws * 2 - 1
        angle = angle * math.radians(self.rotation)
        shear = shear * self.shear
        zoom_x, zoom_y = (torch.exp(z * math.log1p(self.scale)) for z in (zoom_x, zoom_y))
        cosine, sine = torch.cos(angle), torch.sin(angle)
        out[:, 0, 0] = cosine * zoom_x
        out[:, 0, 1] = (shear * cosine - sine) * zoom_x
        out[:, 1, 0] = sine * zoom_y
        out[:, 1, 1] = (shear * sine + cosine) * zoom_y
        out[:, 0, 2] = shift_x * (2 * self.translation)
        out[:, 1, 2] = shift_y * (2 * self.translation)
        if n_basis > 3:
            out[:, :, 3:].normal_(0, 2 * self.elastic, generator=generator)
        if aspect != 1:
            out[:, 1] /= aspect

    def check(self) -> dict[str, Any]:
        """Return the parameters, checked, as plain Python objects.

        Returns
        -------
        dict
            Values by name.

        Raises
        ------
        ValueError
            If a parameter is not as documented.
        """
        return read_fields(type(self), self.get_params(), "RandomWarp")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name, as scikit-learn's estimators do.

        Parameters
        ----------
        deep : bool, default=True
            Ignored: no parameter has parameters of its own.

        Returns
        -------
        dict
            Values by name.
        """
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name, as scikit-learn's estimators do.

        Parameters
        ----------
        **params : dict
            New values by name.

        Returns
        -------
        RandomWarp
            The warp itself.

        Raises
        ------
        ValueError
            If a name is not that of a parameter. No parameter is set then.
        """
        known = self.get_params()
        for name in params:
            if name not in known:
                raise ValueError(f"RandomWarp has no parameter {name!r}, only {sorted(known)}.")
        for name, value in params.items():
            setattr(self, name, value)
        return self


PRESETS = {
    "affine": RandomWarp(rotation=10, shear=0.15, scale=0.1, translation=0.05),
    "elastic": RandomWarp(rotation=10, shear=0.15, scale=0.1, translation=0.05, elastic=0.01),
}
