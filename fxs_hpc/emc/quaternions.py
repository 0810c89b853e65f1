"""Rotations as unit quaternions, scalar first, and their sampling from the 600-cell.

A quaternion q = (q0, q1, q2, q3) stands for the matrix R(q) that maps vectors of the laboratory to those of the crystal. R is the transpose
of the usual active matrix: R(q) v = q* v q. Hence R(p) R(q) = R(q p), with the Hamilton product.

Sampling (Loh and Elser 2009, appendix): each tetrahedron of the 600-cell is divided into a lattice with n = num_div steps per edge, and the
lattice points are projected onto the unit sphere; of each pair q, -q (one rotation) one is kept. Neighbouring samples lie about 0.944 / n
(rotation angle in rad) apart.
"""

from collections.abc import Iterator
from math import comb, pow

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel
from fxs_hpc.emc.polytope import TAU, containing_cells, simplices, vertices
from fxs_hpc.errors import DataError

STEP = 0.944
"""Angular resolution times num_div, in rad of rotation angle."""
LARGEST_NUM_DIV = 350
"""The number of samples of finer samplings does not fit the int32 of the files."""
BLOCK = 1 << 18
"""Samples that are made together (a tetrahedron at the least)."""

Samples = tuple[NDArray[np.float64], NDArray[np.float64]]

_SHARE = (5 / 6, 35 / 36, 1.0, 1.0)
"""Factor of the weight on vertices, edges, faces and in cells."""


def sample_count(num_div: int) -> int:
    """Number of samples, 10 (5 n^3 + n)."""
    return 10 * (5 * num_div**3 + num_div)


def angular_step(num_div: int) -> float:
    """Distance between neighbouring samples: rotation angle in rad."""
    return STEP / num_div


def blocks(num_div: int) -> Iterator[Samples]:
    """The samples in the order of the files, in pieces of bounded size.

    Order: vertices, edges, triangles, tetrahedra of `polytope.simplices`; in a simplex a < b < c < d the points
    (n a + j (b - a) + k (c - a) + m (d - a)) / n in its interior, j slowest. Kept are the points whose first non-zero number in
    x0, y0, x1, y1, ... is positive, where component i is (x_i + y_i tau) / 2n.

    Yields
    ------
    quaternions : float64[m, 4]
        Unit length.
    weights : float64[m]
        Volume of rotation space that a sample stands for, not normalised: f (v . c) / (|v|^4 |c|), with v the point before projection,
        c the sum of the corners of a tetrahedron that holds it, and f = 5/6 on vertices, 35/36 on edges, 1 elsewhere.
    """
    if not 1 <= num_div <= LARGEST_NUM_DIV:
        raise DataError(f"num_div = {num_div}: it must lie between 1 and {LARGEST_NUM_DIV}, the files count samples in 32 bits")
    cells = vertices()[simplices(3)].sum(axis=1)
    for dimension in range(4):
        points = comb(num_div - 1, dimension)
        if not points:
            continue
        corners = vertices()[simplices(dimension)]
        corners = np.concatenate([corners, np.repeat(corners[:, :1], 3 - dimension, axis=1)], axis=1)
        centres = cells[containing_cells(dimension)]
        step = max(1, BLOCK // points)
        for start in range(0, len(corners), step):
            stop = min(start + step, len(corners))
            quaternions, weights = np.empty((points * (stop - start), 4)), np.empty(points * (stop - start))
            kept = _points(num_div, dimension, corners[start:stop], centres[start:stop], _SHARE[dimension], quaternions, weights)
            yield quaternions[:kept], weights[:kept]


def samples(num_div: int) -> Samples:
    """All samples: quaternions float64[N, 4] and weights float64[N], see `blocks`."""
    count = sample_count(num_div)
    quaternions, weights = np.empty((count, 4)), np.empty(count)
    filled = 0
    for part, part_weights in blocks(num_div):
        quaternions[filled : filled + len(part)] = part
        weights[filled : filled + len(part)] = part_weights
        filled += len(part)
    return quaternions, weights


def rotation_matrices(quaternions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matrices float64[..., 3, 3] that map laboratory vectors to the crystal, of unit quaternions float64[..., 4]."""
    w, x, y, z = np.moveaxis(np.asarray(quaternions, np.float64), -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)),
        (2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (w * x + y * z)),
        (2 * (w * y + x * z), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quaternions_of(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit quaternions float64[..., 4] of rotation matrices float64[..., 3, 3]; the inverse of `rotation_matrices` up to sign.

    The largest component is positive.
    """
    m = np.asarray(matrices, np.float64)
    trace = np.trace(m, axis1=-2, axis2=-1)
    products = np.empty((*m.shape[:-2], 4, 4))
    products[..., 0, 0] = 1 + trace
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        products[..., i + 1, i + 1] = 1 - trace + 2 * m[..., i, i]
        products[..., 0, i + 1] = products[..., i + 1, 0] = m[..., j, k] - m[..., k, j]
        products[..., j + 1, k + 1] = products[..., k + 1, j + 1] = m[..., j, k] + m[..., k, j]
    largest = np.argmax(np.diagonal(products, axis1=-2, axis2=-1), axis=-1)
    rows = np.take_along_axis(products, largest[..., None, None], axis=-2)[..., 0, :]
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def product(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Hamilton product p q, float64[..., 4]; R(p q) = R(q) R(p)."""
    a, b, c, d = np.moveaxis(np.asarray(p, np.float64), -1, 0)
    w, x, y, z = np.moveaxis(np.asarray(q, np.float64), -1, 0)
    parts = (
        a * w - b * x - c * y - d * z,
        a * x + b * w + c * z - d * y,
        a * y - b * z + c * w + d * x,
        a * z + b * y - c * x + d * w,
    )
    return np.stack(parts, axis=-1)


def equivalents(quaternions: NDArray[np.float64], symmetry: NDArray[np.float64]) -> NDArray[np.float64]:
    """The orientations that symmetry makes the same, float64[..., s, 4]: q s, since R(q s) = R(s) R(q).

    Parameters
    ----------
    quaternions : float64[..., 4]
    symmetry : float64[s, 4]
        Proper operators, acting on vectors of the crystal by R(s).
    """
    return product(np.asarray(quaternions)[..., None, :], symmetry)


def misorientation(
    first: NDArray[np.float64], second: NDArray[np.float64], symmetry: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Smallest rotation angle in rad between two orientations modulo the proper symmetry operators.

    Parameters
    ----------
    first, second : float64[..., 4]
        Unit quaternions; shapes are broadcast.
    symmetry : float64[s, 4], optional
        See `equivalents`; None stands for the identity alone.
    """
    copies = np.asarray(first, np.float64)[..., None, :] if symmetry is None else equivalents(first, symmetry)
    other = np.asarray(second, np.float64)[..., None, :]
    shorter = np.minimum(np.linalg.norm(copies - other, axis=-1), np.linalg.norm(copies + other, axis=-1))
    return 4 * np.arcsin(np.clip(shorter.min(axis=-1) / 2, 0, 1))


@kernel
def _points(n, dimension, corners, centres, share, quaternions, weights):  # type: ignore[no-untyped-def]
    """Fill in the kept interior points of the simplices; the number kept.

    The order of operations in real numbers is that of the files, whose bytes follow.
    """
    v = np.empty(8, np.int64)
    r = np.empty(4)
    c = np.empty(4)
    kept = 0
    one, two, three = (1 if dimension >= 1 else 0), (1 if dimension >= 2 else 0), (1 if dimension >= 3 else 0)
    for s in range(corners.shape[0]):
        square = 0.0
        for i in range(4):
            c[i] = (centres[s, i, 0] + centres[s, i, 1] * TAU) / 2
            square += c[i] * c[i]
        size = np.sqrt(square)
        for j in range(one, n if one else 1):
            for k in range(two, n - j if two else 1):
                for m in range(three, n - j - k if three else 1):
                    sign = 0
                    for i in range(8):
                        a = corners[s, 0, i // 2, i % 2]
                        v[i] = (
                            n * a
                            + j * (corners[s, 1, i // 2, i % 2] - a)
                            + k * (corners[s, 2, i // 2, i % 2] - a)
                            + m * (corners[s, 3, i // 2, i % 2] - a)
                        )
                        if sign == 0 and v[i] != 0:
                            sign = 1 if v[i] > 0 else -1
                    if sign < 0:
                        continue
                    square = 0.0
                    along = 0.0
                    for i in range(4):
                        r[i] = (v[2 * i] + v[2 * i + 1] * TAU) / (2 * n)
                        square += r[i] * r[i]
                        along += r[i] * c[i]
                    length = np.sqrt(square)
                    for i in range(4):
                        quaternions[kept, i] = r[i] / length
                    weights[kept] = along / (pow(length, 4.0) * size) * share
                    kept += 1
    return kept
