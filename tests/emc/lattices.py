"""Lattices for tests: any cell, turned any way."""

import numpy as np
from scipy.spatial.transform import Rotation

from fxs_hpc.emc.lattice import Lattice


def of_cell(a: float, b: float, c: float, alpha: float, beta: float, gamma: float, seed: int | None = None) -> Lattice:
    """Lattice of a cell in Angstrom and degrees; with a seed, in a random orientation."""
    cos_a, cos_b, cos_c = np.cos(np.radians([alpha, beta, gamma]))
    sin_c = np.sin(np.radians(gamma))
    x = np.array([a, 0, 0])
    y = b * np.array([cos_c, sin_c, 0])
    upper = (cos_a - cos_b * cos_c) / sin_c
    z = c * np.array([cos_b, upper, np.sqrt(1 - cos_b**2 - upper**2)])
    turned = Rotation.identity() if seed is None else Rotation.random(random_state=seed)
    return Lattice(turned.as_matrix() @ np.column_stack([x, y, z]))
