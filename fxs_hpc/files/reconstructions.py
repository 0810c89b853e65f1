"""Reading of data.h5, one reconstruction at a time: what `average` needs of files that may be larger than memory.

Fields used: configuration/internal_grid/{real_grid, reciprocal_grid} (N, n_theta, n_phi, 3), in the plane (N, n_phi, 2),
configuration/xray_wavelength, configuration/reciprocity_coefficient, projection_matrices/<order>, and in reconstruction_results/<key>:
last_real_density, last_reciprocal_density, support_mask (N, n_theta, n_phi) or (N, n_phi), error_dict.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError
from fxs_hpc.harmonics.grids import AngularGrid, CircleGrid, RadialGrid

RESULTS = "reconstruction_results"


@dataclass(frozen=True)
class StoredReconstruction:
    """Last density, last amplitude and support as stored, but with the shells last: (n_theta, n_phi, N) or (n_phi, N)."""

    density: NDArray
    amplitude: NDArray[np.complexfloating]
    support: NDArray[np.bool_]


@dataclass(frozen=True)
class ReconstructionSource:
    """A data.h5: its grids, highest order of the projection matrices, wavelength (A) and the keys of its reconstructions."""

    path: Path
    radial: RadialGrid
    angular: AngularGrid | CircleGrid
    used_order: int
    wavelength: float
    keys: tuple[str, ...]

    @property
    def dimensions(self) -> int:
        """3 or 2."""
        return self.radial.dimensions

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the stored fields, (N, n_theta, n_phi) or (N, n_phi)."""
        return (self.radial.n_points, *self.angular.shape)

    def last_errors(self, metric: str) -> dict[str, float]:
        """Last value of an error series of every reconstruction; `metric` such as main or real.l2_projection_diff.

        Raises
        ------
        InputFileError
            The file has no such series.
        """
        errors = {}
        with _opened(self.path) as file:
            for key in self.keys:
                group = file[f"{RESULTS}/{key}/error_dict"]
                name = metric.replace(".", "/")
                if not isinstance(group.get(name), h5py.Dataset):
                    raise InputFileError(
                        f"{self.path}: reconstruction {key} has no error series {metric!r}; "
                        f"selection.error_metric can be {', '.join(_series(group))}"
                    )
                series = group[name][()]
                errors[key] = float(series[-1]) if series.size else np.nan
        return errors

    def largest_density(self, key: str) -> float:
        """Maximum of Re last_real_density."""
        with _opened(self.path) as file:
            return float(file[f"{RESULTS}/{key}/last_real_density"][()].real.max())

    def load(self, key: str) -> StoredReconstruction:
        """Read one reconstruction.

        Raises
        ------
        InputFileError
            A field is missing or holds NaN.
        """
        with _opened(self.path) as file:
            group = file[f"{RESULTS}/{key}"]
            names = ("last_real_density", "last_reciprocal_density", "support_mask")
            fields = [np.ascontiguousarray(np.moveaxis(group[name][()], 0, -1)) for name in names]
        for name, field in zip(names, fields):
            if not np.isfinite(field).all():
                raise InputFileError(f"{self.path}: {RESULTS}/{key}/{name} holds NaN or infinite values; leave this file out")
        return StoredReconstruction(fields[0], fields[1], fields[2].astype(bool))

    def support_radius(self, key: str) -> float:
        """Radius (A) of the outermost shell of the support."""
        with _opened(self.path) as file:
            support = file[f"{RESULTS}/{key}/support_mask"][()]
        shells = np.flatnonzero(support.any(axis=tuple(range(1, support.ndim))))
        return float(self.radial.r[shells[-1]]) if shells.size else float(self.radial.r_max)


def open_source(path: Path) -> ReconstructionSource:
    """Read what describes a data.h5 of this package or of the reference program.

    Raises
    ------
    InputFileError
        No such file, not HDF5, neither three- nor two-dimensional, or a field is missing.
    """
    with _opened(path) as file:
        try:
            grid = file["configuration/internal_grid/reciprocal_grid"]
            dimensions = grid.ndim - 1
            if dimensions not in (2, 3):
                raise InputFileError(f"{path}: the grid has shape {grid.shape}; expected (N, n_theta, n_phi, 3) or (N, n_phi, 2)")
            q = grid[(slice(None), *[0] * dimensions)]
            radial = _radial_grid(q, float(file["configuration/reciprocity_coefficient"][()]), dimensions)
            keys = tuple(sorted(file[RESULTS], key=lambda key: (len(key), key)))
            wavelength = float(file["configuration/xray_wavelength"][()])
            used_order = len(file["projection_matrices"]) - 1
            angular = AngularGrid(*grid.shape[1:3]) if dimensions == 3 else CircleGrid(grid.shape[1])
        except KeyError as error:
            message = f"{path}: is no file of reconstructions, {error.args[0]}; expected the data.h5 of `reconstruct`"
            raise InputFileError(message) from error
    return ReconstructionSource(path, radial, angular, used_order, wavelength, keys)


def _radial_grid(q: NDArray[np.floating], reciprocity: float, dimensions: int) -> RadialGrid:
    """The grid with nodes q: midpoints of N steps, or N points from 0 to the cut-off, or Gauss-Legendre nodes."""
    n = len(q)
    for kind, q_max in (("midpoint", q[-1] * n / (n - 0.5)), ("trapz", q[-1])):
        grid = RadialGrid(n, float(q_max), reciprocity, kind, dimensions)
        if np.allclose(grid.q, q, rtol=1e-6, atol=1e-9 * q[-1]):
            return grid
    last_node = (np.polynomial.legendre.leggauss(n)[0][-1] + 1) / 2
    return RadialGrid(n, float(q[-1] / last_node), reciprocity, "gauss", dimensions)


def _series(group: h5py.Group) -> list[str]:
    names: list[str] = []
    group.visititems(lambda name, item: names.append(name.replace("/", ".")) if isinstance(item, h5py.Dataset) else None)
    return names


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read as HDF5 ({error}); run `reconstruct` first or check reconstruction_files") from error
    with file:
        yield file
