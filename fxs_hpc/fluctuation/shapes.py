"""Objects made of homogeneous solids: their density at any point, and their exact Fourier amplitudes."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import factorial
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fxs_hpc.errors import SettingsError
from fxs_hpc.parallel.threads import over

KINDS = ("sphere", "cube", "tetrahedron")
# Two edges of the unrotated tetrahedron are parallel to x (above) and y (below), as in the reference program.
_CORNERS = np.array([[np.sqrt(2), 0, 1], [-np.sqrt(2), 0, 1], [0, np.sqrt(2), -1], [0, -np.sqrt(2), -1]]) / np.sqrt(3)
Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]
_IDENTITY: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


class Body(Protocol):
    """A homogeneous solid or figure of the plane."""

    @property
    def center(self) -> tuple[float, ...]:
        """Cartesian, in A."""
        ...

    @property
    def density(self) -> float:
        """Value inside."""
        ...

    @property
    def circumradius(self) -> float:
        """Radius in A of the smallest ball about `center` that holds it."""
        ...

    def contains(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """True for points (..., d) strictly inside."""
        ...

    def amplitude(self, q: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Exact (2 pi)^(-d/2) int rho e^{-iq.r} d^dr for wave vectors (..., d) in 1/A."""
        ...


@dataclass(frozen=True)
class Shape:
    """A homogeneous solid.

    Parameters
    ----------
    kind : 'sphere' (size = radius), 'cube' (size = half its side), 'tetrahedron' (regular, size = circum-radius).
    center : Cartesian, in A. size : in A. density : value inside, added where solids overlap.
    rotation : 3 x 3 matrix that turns the unrotated solid about its centre.
    """

    kind: str
    center: Vector
    size: float
    density: float
    rotation: Matrix = _IDENTITY

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SettingsError(f"shape type {self.kind!r} is unknown; use one of {', '.join(KINDS)}")
        if not self.size > 0:
            raise SettingsError(f"shape size {self.size} must be positive (A)")

    @property
    def circumradius(self) -> float:
        """Radius of the smallest sphere about `center` that holds the solid."""
        return self.size * np.sqrt(3) if self.kind == "cube" else self.size

    def contains(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """True for points (..., 3) strictly inside."""
        local = (points - np.asarray(self.center)) @ np.asarray(self.rotation)
        if self.kind == "sphere":
            return np.sqrt((local**2).sum(axis=-1)) < self.size
        if self.kind == "cube":
            return np.abs(local).max(axis=-1) < self.size
        return (local @ _CORNERS.T).min(axis=-1) > -self.size / 3

    def amplitude(self, q: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Exact (2 pi)^(-3/2) int rho e^{-iq.r} d^3r for wave vectors (..., 3) in 1/A."""
        local = q @ np.asarray(self.rotation)
        if self.kind == "sphere":
            form = _sphere_form(np.sqrt((local**2).sum(axis=-1)) * self.size) * 4 * np.pi / 3 * self.size**3
        elif self.kind == "cube":
            form = np.sinc(local * self.size / np.pi).prod(axis=-1) * (2 * self.size) ** 3
        else:
            form = _tetrahedron_form(local * self.size) * 8 / (9 * np.sqrt(3)) * self.size**3
        return self.density * (2 * np.pi) ** -1.5 * form * np.exp(-1j * (q @ np.asarray(self.center)))


@dataclass(frozen=True)
class Model:
    """A simulated object: the exact solids and their density (N, n_theta, n_phi) on the grid r, theta, phi."""

    shapes: tuple[Shape, ...]
    r: NDArray[np.float64]
    theta: NDArray[np.float64]
    phi: NDArray[np.float64]
    density: NDArray[np.floating]


def _sphere_form(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """3 j_1(x) / x."""
    small = np.abs(x) < 1e-2
    safe = np.where(small, 1.0, x)
    return np.where(small, 1 - x**2 / 10 + x**4 / 280, 3 * (np.sin(safe) - safe * np.cos(safe)) / safe**3)


def _tetrahedron_form(x: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Mean of e^{-i x.u} over the regular tetrahedron of circum-radius 1.

    By Hermite and Genocchi the integral over a simplex is a divided difference of the exponential at its corners.
    """
    nodes = np.sort(x @ _CORNERS.T, axis=-1)
    return -6j * divided_exponential(nodes)  # divided difference = (-i)^3 mean / 3!


def divided_exponential(x: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Divided difference of e^{-ix} over ascending nodes x (..., k): a recursion, or a series where nodes are close."""
    count = x.shape[-1]
    spread = x[..., -1] - x[..., 0]
    if count == 2:
        return -1j * np.exp(-0.5j * x.sum(axis=-1)) * np.sinc(spread / (2 * np.pi))
    close = spread < 1
    safe = np.where(close, 1.0, spread)
    result = (divided_exponential(x[..., 1:]) - divided_exponential(x[..., :-1])) / safe
    result[close] = _divided_series(x[close])
    return result


def _divided_series(x: NDArray[np.float64], terms: int = 22) -> NDArray[np.complex128]:
    """sum_n (-i)^n / n! h_{n-k+1}(x - c) e^{-ic}, h the complete homogeneous symmetric polynomials of the k nodes."""
    count = x.shape[-1]
    centre = x.mean(axis=-1)
    homogeneous = np.zeros((terms, len(x)))
    homogeneous[0] = 1
    for node in (x - centre[:, None]).T:
        for degree in range(1, terms):
            homogeneous[degree] += node * homogeneous[degree - 1]
    factors = [(-1j) ** (degree + count - 1) / factorial(degree + count - 1) for degree in range(terms)]
    return np.exp(-1j * centre) * (np.array(factors) @ homogeneous)


def random_rotation(seed: int, index: int) -> Matrix:
    """Rotation matrix, uniform over SO(3), that depends on (seed, index) alone."""
    w, x, y, z = _unit(np.random.default_rng([seed, index]).normal(size=4))
    matrix = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return _matrix(matrix)


def _vector(values: Iterable[float]) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _matrix(rows: Iterable[Iterable[float]]) -> Matrix:
    first, second, third = (_vector(row) for row in rows)
    return first, second, third


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / np.linalg.norm(vector)


def spherical_points(r: ArrayLike, theta: ArrayLike, phi: ArrayLike) -> NDArray[np.float64]:
    """Cartesian points (..., 3) of spherical coordinates that broadcast against each other."""
    r, theta, phi = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (r, theta, phi)))
    return np.stack([r * np.sin(theta) * np.cos(phi), r * np.sin(theta) * np.sin(phi), r * np.cos(theta)], axis=-1)


def check_lengths(*lists: Sequence[Any]) -> None:
    """Raise `SettingsError` unless types, centers, sizes, densities, random_orientation have one entry per shape."""
    if len({len(entries) for entries in lists}) != 1 or not lists[0]:
        raise SettingsError(
            "shapes: types, centers, sizes, densities, random_orientation need one entry per shape; found "
            + ", ".join(str(len(entries)) for entries in lists)
        )


def build(
    types: Sequence[str],
    centers: Sequence[Sequence[float]],
    sizes: Sequence[float],
    densities: Sequence[float],
    random_orientation: Sequence[bool],
    seed: int,
) -> tuple[Shape, ...]:
    """Shapes of the settings: centres in spherical coordinates (r [A], theta, phi [rad]), one list entry per shape."""
    check_lengths(types, centers, sizes, densities, random_orientation)
    shapes = []
    for index, (kind, center, size, density) in enumerate(zip(types, centers, sizes, densities, strict=True)):
        position = _vector(spherical_points(*center))
        rotation = random_rotation(seed, index) if random_orientation[index] else _IDENTITY
        shapes.append(Shape(kind, position, float(size), float(density), rotation))
    return tuple(shapes)


def outer_radius(shapes: Sequence[Body]) -> float:
    """Radius in A of the ball about the origin that holds all shapes."""
    return max(float(np.linalg.norm(shape.center)) + shape.circumradius for shape in shapes)


def density_at(shapes: Sequence[Body], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Density at Cartesian points (..., d) in A; overlapping shapes add up."""
    density = np.zeros(points.shape[:-1])
    for shape in shapes:
        density += shape.density * shape.contains(points)
    return density


def density_on(shapes: Sequence[Shape], r: ArrayLike, theta: ArrayLike, phi: ArrayLike, workers: int = 1) -> NDArray[np.float64]:
    """Density (N, n_theta, n_phi) on a spherical grid, sampled at its points; shells without any shape cost nothing."""
    r, theta, phi = np.asarray(r), np.asarray(theta), np.asarray(phi)
    directions = spherical_points(1.0, theta[:, None], phi[None, :])
    density = np.zeros((len(r), len(theta), len(phi)))

    def fill(shell: int) -> None:
        for shape in shapes:
            if abs(r[shell] - np.linalg.norm(shape.center)) <= shape.circumradius:
                density[shell] += shape.density * shape.contains(r[shell] * directions)

    over(fill, range(len(r)), workers)
    return density


def amplitude(shapes: Sequence[Body], q: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Exact Fourier amplitude, (2 pi)^(-d/2) int rho e^{-iq.r} d^dr, at wave vectors (..., d) in 1/A."""
    total = np.zeros(q.shape[:-1], dtype=np.complex128)
    for shape in shapes:
        total += shape.amplitude(q)
    return total


def to_json(shapes: Sequence[Any]) -> str:
    """Text that `from_json`, here or in `plane_shapes`, reads back exactly."""
    return json.dumps([asdict(shape) for shape in shapes])


def from_json(text: str) -> tuple[Shape, ...]:
    """Shapes from the text of `to_json`."""
    return tuple(
        Shape(entry["kind"], _vector(entry["center"]), entry["size"], entry["density"], _matrix(entry["rotation"]))
        for entry in json.loads(text)
    )
