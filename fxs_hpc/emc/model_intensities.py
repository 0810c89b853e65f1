"""Intensities of a model crystal: the height of each Bragg peak, equal for reflections that the Laue group makes equal."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.truth import generator
from fxs_hpc.errors import DataError

_STREAM = 1 << 62


@dataclass(frozen=True)
class ModelIntensities:
    """Peaks of a model crystal.

    Attributes
    ----------
    lattice : Lattice
    hkl : i4[n, 3]
        All reflections with an intensity, (0, 0, 0) left out.
    height : f8[n]
        Photons in a pixel at the very lattice point, for phi = 1 and polar = 1.
    orbit : i8[n]
        Number of the reflection's orbit under the Laue group.
    """

    lattice: Lattice
    hkl: NDArray[np.int32]
    height: NDArray[np.float64]
    orbit: NDArray[np.int64]

    @property
    def unique(self) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """One reflection of each orbit, and its height."""
        _, chosen = np.unique(self.orbit, return_index=True)
        return self.hkl[chosen], self.height[chosen]

    def table(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Heights [h + m_h, k + m_k, l + m_l] (0 where there is none), and the largest indices m i8[3]."""
        largest = np.abs(self.hkl).max(axis=0).astype(np.int64)
        table = np.zeros(2 * largest + 1)
        table[tuple((self.hkl + largest).T)] = self.height
        return table, largest


def reflections(lattice: Lattice, q_max: float) -> NDArray[np.int32]:
    """All hkl but (0, 0, 0) with |q| <= q_max (1/Angstrom), i4[n, 3], h slowest."""
    largest = [ceil(q_max * length) for length in lattice.cell[:3]]
    hkl = np.stack(np.meshgrid(*(np.arange(-m, m + 1, dtype=np.int32) for m in largest), indexing="ij"), axis=-1).reshape(-1, 3)
    modulus = np.linalg.norm(hkl @ lattice.reciprocal.T, axis=1)
    return hkl[(modulus <= q_max) & (modulus > 0)]


def orbits(hkl: NDArray, operators: NDArray) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Orbits of reflections under a group.

    Parameters
    ----------
    hkl : int[n, 3]
    operators : int[m, 3, 3]
        Act on hkl as columns: h' = S h.

    Returns
    -------
    representatives : i4[k, 3]
        Of each orbit the member that comes last in the order of h, k, l.
    orbit : i8[n]
        Orbit of each reflection.
    """
    images = np.einsum("mij,nj->nmi", operators, hkl).astype(np.int64)
    base = 2 * int(np.abs(images).max(initial=0)) + 1
    codes = ((images[..., 0] * base + images[..., 1]) * base + images[..., 2]).max(axis=1)
    _, first, orbit = np.unique(codes, return_index=True, return_inverse=True)
    best = np.argmax((images[first, :, 0] * base + images[first, :, 1]) * base + images[first, :, 2], axis=1)
    return images[first, best].astype(np.int32), orbit.reshape(-1)


def random_intensities(
    lattice: Lattice, operators: NDArray, q_max: float, height: float, fall_off: float, seed: int, absent: NDArray[np.bool_] | None = None
) -> ModelIntensities:
    """Wilson's statistics: independent exponentially distributed intensities, with a mean of height * exp(-fall_off q^2 / 2).

    Parameters
    ----------
    operators : int[m, 3, 3]
        Laue group, acting on hkl as columns.
    q_max : float
        1/Angstrom.
    height : float
        Mean peak height in photons at q = 0, for phi = 1.
    fall_off : float
        B of Wilson's plot, Angstrom^2.
    absent : bool[n], optional
        Reflections (in the order of `reflections`) that the space group extinguishes.
    """
    hkl = reflections(lattice, q_max)
    if absent is not None:
        hkl = hkl[~absent]
    if not len(hkl):
        raise DataError(f"the lattice {lattice.cell} has no reflection with |q| <= {q_max:.4g} 1/Angstrom; check the cell and the detector")
    representatives, orbit = orbits(hkl, operators)
    modulus = np.linalg.norm(representatives @ lattice.reciprocal.T, axis=1)
    mean = height * np.exp(-fall_off * modulus**2 / 2)
    heights = generator(seed, _STREAM).standard_exponential(len(representatives)) * mean
    return ModelIntensities(lattice, hkl, heights[orbit], orbit)


def given_intensities(
    lattice: Lattice, operators: NDArray, q_max: float, height: float, hkl: NDArray, intensity: NDArray
) -> ModelIntensities:
    """Known intensities, averaged over orbits and scaled so that the mean peak height up to q_max is `height` photons.

    Parameters
    ----------
    hkl : int[n, 3]
        Any part of reciprocal space; equivalent reflections are filled in.
    intensity : f8[n]
        Negative ones count as 0.

    Raises
    ------
    DataError
        None of them lies within q_max.
    """
    known, orbit = orbits(hkl, operators)
    mean = np.bincount(orbit, np.maximum(intensity, 0.0)) / np.bincount(orbit)
    everything = reflections(lattice, q_max)
    representatives, orbit = orbits(everything, operators)
    value = {tuple(index): number for index, number in zip(known.tolist(), mean.tolist())}
    heights = np.array([value.get(tuple(index), 0.0) for index in representatives.tolist()])
    if not heights.any():
        raise DataError(f"none of the {len(hkl)} given reflections lies within {q_max:.4g} 1/Angstrom; check file, cell and Laue group")
    seen = heights[orbit] > 0
    heights *= height / heights[orbit][seen].mean()
    return ModelIntensities(lattice, everything[seen], heights[orbit][seen], orbit[seen])
