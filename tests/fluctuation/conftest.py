"""Small objects with a known form everywhere: Gaussian blobs, whose rotated, shifted, inverted self is again a sum of blobs."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from fxs_hpc.fluctuation.fourier import BallTransform
from fxs_hpc.fluctuation.plane_alignment import DiscFields
from fxs_hpc.harmonics.grids import AngularGrid, CircleGrid, RadialGrid

WIDTH = 9.0


@dataclass(frozen=True)
class Blobs:
    """Gaussians of width WIDTH (A) with given centres (n, d) and heights (n,), d = 3 or 2."""

    centres: np.ndarray
    heights: np.ndarray

    def moved(self, matrix=None, shift=0.0):
        matrix = np.eye(self.centres.shape[1]) if matrix is None else matrix
        return replace(self, centres=self.centres @ np.asarray(matrix).T + np.asarray(shift))

    def at(self, points):
        distance = ((points[..., None, :] - self.centres) ** 2).sum(axis=-1)
        return (self.heights * np.exp(-distance / (2 * WIDTH**2))).sum(axis=-1)

    def density(self, ball):
        return self.at(ball.directions[..., None, :] * ball.radial.r[:, None])

    def amplitude(self, ball):
        q = ball.directions[..., None, :] * ball.radial.q[:, None]
        envelope = WIDTH ** ball.dimensions * np.exp(-((q**2).sum(axis=-1)) * WIDTH**2 / 2)
        return envelope * (self.heights * np.exp(-1j * q @ self.centres.T)).sum(axis=-1)


@pytest.fixture(scope="session")
def ball():
    return BallTransform(RadialGrid(32, 0.5), AngularGrid.alias_free(15, 15), 15)


@pytest.fixture(scope="session")
def blobs():
    """Four blobs without any symmetry, centre of mass at the origin."""
    centres = np.array([[20.0, 0, 0], [-5, 18, 3], [-8, -12, 12], [4, -2, -20]])
    heights = np.array([1.0, 0.8, 1.2, 0.6])
    centres -= heights @ centres / heights.sum()
    return Blobs(centres, heights)


@pytest.fixture(scope="session", params=[96, 95], ids=["even circle", "odd circle"])
def disc(request):
    return DiscFields(RadialGrid(64, 0.8, dimensions=2), CircleGrid(request.param), 30)


@pytest.fixture(scope="session")
def flat_blobs():
    """Three blobs of the plane without any symmetry, centre of mass at the origin."""
    centres = np.array([[22.0, 2], [-8, 19], [-10, -14]])
    heights = np.array([1.0, 0.7, 1.3])
    return Blobs(centres - heights @ centres / heights.sum(), heights)
