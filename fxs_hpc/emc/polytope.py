"""The 600-cell, the regular polytope that samples of the rotation group are cut from.

Its 120 vertices are the unit quaternions of the binary icosahedral group. Their components lie in Z[tau] / 2, tau = (1 + sqrt 5) / 2 the
golden mean: a vertex is held as pairs of integers (x, y) that mean (x + y tau) / 2, so that all incidences are exact.

The order of vertices fixes the order of all rotation samples, and with it what a rotation number in a file means.
"""

from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

TAU = (1 + 5**0.5) / 2

_PLACES = ("0123", "0231", "0312", "1203", "1032", "1320", "2013", "2301", "2130", "3102", "3021", "3210")
"""Even permutations in the order of the files: which of (tau, 1, 1 / tau, 0) stands at each place."""


@cache
def vertices() -> NDArray[np.int64]:
    """The vertices in twice their components, int64[120, 4, 2]: the last axis holds x and y of x + y tau.

    16 of (+-1, +-1, +-1, +-1) / 2, 8 of +-1 in one place, 96 even permutations of (+-tau, +-1, +-1 / tau, 0) / 2.
    """
    found: list[NDArray] = []
    for signs in product((-1, 1), repeat=4):
        found.append(np.array([(sign, 0) for sign in signs]))
    for sign, place in product((-1, 1), range(4)):
        vertex = np.zeros((4, 2), np.int64)
        vertex[place, 0] = 2 * sign
        found.append(vertex)
    values = np.array([(0, 1), (1, 0), (-1, 1), (0, 0)])
    for signs in product((-1, 1), repeat=3):
        for places in _PLACES:
            which = np.array([int(place) for place in places])
            found.append(values[which] * np.array([*signs, 0])[which][:, None])
    return np.array(found, np.int64)


@cache
def simplices(dimension: int) -> NDArray[np.int64]:
    """Vertices of each simplex in ascending order, int64[count, dimension + 1].

    Parameters
    ----------
    dimension : 0, 1, 2 or 3
        Vertices (120), edges (720), triangles (1200), tetrahedra (600), in lexicographic order.
    """
    if dimension == 0:
        return np.arange(120)[:, None]
    neighbours = _neighbours()
    smaller = simplices(dimension - 1)
    common = np.logical_and.reduce([neighbours[smaller[:, corner]] for corner in range(dimension)])
    common &= np.arange(120) > smaller[:, -1:]
    which, added = np.nonzero(common)
    return np.concatenate([smaller[which], added[:, None]], axis=1)


@cache
def containing_cells(dimension: int) -> NDArray[np.int64]:
    """First tetrahedron (row of `simplices(3)`) that contains each simplex, int64[count]."""
    inside = np.zeros((600, 120), bool)
    np.put_along_axis(inside, simplices(3), True, axis=1)
    return np.array([np.flatnonzero(inside[:, simplex].all(axis=1))[0] for simplex in simplices(dimension)])


def _neighbours() -> NDArray[np.bool_]:
    """Whether two vertices are joined by an edge: their inner product is tau / 2."""
    x, y = np.moveaxis(vertices(), -1, 0)
    ones = x @ x.T + y @ y.T
    golden = x @ y.T + y @ x.T + y @ y.T
    return (ones == 0) & (golden == 2)
