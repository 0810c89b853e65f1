"""Simulated stills of crystals.

Photons of a pixel = Poisson( (b(|q|) beta + sum over crystals of phi F^2(hkl) exp(-d^2 / 2 s^2)) polar ), where d is the distance of the
pixel from the nearest lattice point, beta the frame's factor on the background, and s the peak width (see `spots` for disturbed crystals).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.model_intensities import ModelIntensities
from fxs_hpc.emc.quaternions import rotation_matrices
from fxs_hpc.emc.raster import Raster
from fxs_hpc.emc.spots import PeakShape, add_crystal
from fxs_hpc.emc.truth import Kind, Truth, generator

_NOISE, _JUNK, _FAULTS = 2, 3, 4
DEAD = -1
LARGEST = np.iinfo(np.int32).max
WATER = 0.31
"""|q| of the ring of liquid water, 1/Angstrom."""


@dataclass(frozen=True)
class Faults:
    """Pixels that do not count photons; numbers in the raster.

    dead : read as -1; hot : always read as `hot_value`; shadow : behind the beam stop, read as 0.
    """

    dead: NDArray[np.int64]
    hot: NDArray[np.int64]
    hot_value: int
    shadow: NDArray[np.int64]


@dataclass(frozen=True)
class Experiment:
    """What all frames of a simulation share.

    Attributes
    ----------
    raster : Raster
    intensities : ModelIntensities
    shape : PeakShape
    background : f8[rows * columns]
        Photons of each pixel, for polar = 1 and a frame's factor of 1.
    faults : Faults
    seed : int
    """

    raster: Raster
    intensities: ModelIntensities
    shape: PeakShape
    background: NDArray[np.float64]
    faults: Faults
    seed: int

    def crystal_photons(self, truth: Truth, row: int) -> NDArray[np.float64]:
        """Expected photons of the crystals alone, f8[rows * columns], in the frame at `row` of the truth."""
        signal = np.zeros(len(self.background))
        lattice = self.intensities.lattice
        for crystal in np.flatnonzero(truth.phi[row]):
            disturbed = Lattice(lattice.basis * truth.cell[row, crystal])
            add_crystal(
                signal,
                self.raster,
                self.intensities.hkl @ disturbed.reciprocal.T,
                self.intensities.height * truth.phi[row, crystal],
                rotation_matrices(truth.quaternions[row, crystal]),
                self.shape,
                truth.width[row, crystal],
                truth.mosaicity[row, crystal],
            )
        return signal * self.raster.polar

    def expected(self, truth: Truth, row: int, frame: int) -> NDArray[np.float64]:
        """Expected photons f8[rows * columns] of raw frame `frame`, which is at `row` of the truth; without detector faults."""
        photons = self.background * self.raster.polar * truth.background[row] + self.crystal_photons(truth, row)
        if truth.kind[row] == Kind.JUNK:
            photons += self._junk(frame)
        return photons

    def frame(self, truth: Truth, row: int, frame: int) -> NDArray[np.int32]:
        """Counts i4[rows, columns] as the detector reads them."""
        expected = self.expected(truth, row, frame)
        expected[self.faults.shadow] = 0.0
        counts = np.minimum(generator(self.seed, frame + 1, _NOISE).poisson(expected), LARGEST).astype(np.int32)
        counts[self.faults.hot] = self.faults.hot_value
        counts[self.faults.dead] = DEAD
        return counts.reshape(self.raster.shape)

    def _junk(self, frame: int) -> NDArray[np.float64]:
        """5 to 11 round blobs anywhere, as bright as peaks: ice, salt, scatter from the nozzle."""
        random = generator(self.seed, frame + 1, _JUNK)
        blobs = random.integers(5, 12)
        rows, columns = self.raster.shape
        place = random.random((blobs, 2)) * (rows, columns)
        size = random.uniform(0.7, 2.0, blobs)
        height = random.standard_exponential(blobs) * 3 * self.intensities.height.mean()
        along_row, along_column = (
            np.exp(-((np.arange(count) - place[:, [axis]]) ** 2) / (2 * size[:, None] ** 2)) for axis, count in enumerate((rows, columns))
        )
        return np.einsum("b,bi,bk->ik", height, along_row, along_column, optimize=True).ravel() * self.raster.polar


def model_background(modulus: NDArray, level: float, ring: float) -> NDArray[np.float64]:
    """Background of a liquid jet: air scatter that falls off, a flat part, and the broad ring of water.

    Parameters
    ----------
    modulus : f8[n]
        |q|, 1/Angstrom.
    level : float
        Photons per pixel where q is small.
    ring : float
        Height of the water ring relative to `level`.
    """
    air = 0.25 + 0.75 * np.exp(-((modulus / 0.15) ** 2) / 2)
    return np.where(np.isfinite(modulus), level * (air + ring * np.exp(-(((modulus - WATER) / 0.05) ** 2) / 2)), 0.0)


def random_faults(raster: Raster, mask: NDArray[np.bool_], dead: int, hot: int, hot_value: int, stop: float, seed: int) -> Faults:
    """Faulty pixels of a detector.

    Parameters
    ----------
    mask : bool[rows * columns]
        Pixels that are dead besides the random ones (gaps).
    dead, hot : int
        Numbers of single dead and hot pixels, at random places.
    hot_value : int
        What hot pixels read.
    stop : float
        Beam stop: |q| in 1/Angstrom up to which nothing is seen.
    """
    places = generator(seed, 0, _FAULTS).permutation(np.flatnonzero(raster.polar > 0))[: dead + hot]
    gaps = np.flatnonzero(mask | (raster.polar == 0))
    return Faults(np.union1d(gaps, places[:dead]), places[dead:], hot_value, np.flatnonzero(raster.modulus < stop))
