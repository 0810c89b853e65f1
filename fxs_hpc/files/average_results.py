"""average_results.h5: aligned reconstructions, their average, resolution curves, comparison with the truth.

Fields (d = (N, n_theta, n_phi), in the plane (N, n_phi); densities are real where the input is)
------
average/, centered_average/ : real_density d, reciprocal_density d c16, normalized_real_density d;
    average/intensity_from_densities, average/intensity_from_ft_densities d f8
aligned/<k>/ : real_density, reciprocal_density d of the accepted reconstructions, best alignment first (single precision where the
    input is in single precision). average_ids/<k> : which input that is
input/<i>/ : real_density, reciprocal_density, support_mask d, exactly as in the input file (last_real_density,
    last_reciprocal_density, support_mask); the reference program stores centred and normalised ones here
input_meta/ : scaling_factors (n,) what centred densities were divided by; average_scaling_factors_per_file; grids/ ;
    projection_matrices/<file>/<order> ; reconstruction_keys/<i>/{0, 1} : number of the file, key in it
internal_grid/{real_grid [A, rad, rad], reciprocal_grid [1/A, rad, rad]} (*d, 3), in the plane (*d, 2), f8, reciprocity_coefficient
resolution_metrics/ : q (N,) [1/A]; PRTF, PRTF_from_density, PRTF_from_ft_density, PRTF_ftI (N,) c16 and *_std f8; FSC, FSC_half_bit,
    pseudo_FSC, FQCB (N,) f8
rotation_angles/<i>/<round> (3,) : Euler angles alpha, beta, gamma in rad about z, y, z that were applied to input i (after point
    inversion where alignment/inverted says so), in the plane (1,); 3D: rotation_metric/<i>/0 ((2b)^3,) over so3_grid
    (2b, 2b, 2b, 3), on request
inversion_metric/<i> (3,), in the plane : int |Im A - Im A_ref|, int |Im A - Im conj A_ref| of input i after rotation and shift,
    inverted (0 or 1)
alignment/ : errors (n,), inverted (n,), centres (n, dim) [A], shifts (n, dim) [A], reference (), accepted (m,),
    pairwise_correlation (m, m)
comparison/ : agreement with the true object, where it is known
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.files.atomic import replacing
from fxs_hpc.files.reconstructions import RESULTS
from fxs_hpc.harmonics.grids import AngularGrid, CircleGrid, RadialGrid

INPUT_FIELDS = {"last_real_density": "real_density", "last_reciprocal_density": "reciprocal_density", "support_mask": "support_mask"}


class AverageWriter:
    """Writes the parts of an average_results.h5 as they become known; see `create_average_results`."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file

    def grids(self, radial: RadialGrid, angular: AngularGrid | CircleGrid) -> None:
        """Write the grids; input_meta/grids are further names of the same data."""
        angles = (angular.theta, angular.phi) if isinstance(angular, AngularGrid) else (angular.phi,)
        for name, radii in (("real_grid", radial.r), ("reciprocal_grid", radial.q)):
            points = np.stack(np.meshgrid(radii, *angles, indexing="ij"), axis=-1)
            chunk = (1, *points.shape[1:])
            options = {"chunks": chunk, "compression": "gzip", "compression_opts": 1, "shuffle": True}
            self._file.create_dataset(f"internal_grid/{name}", data=points, **options)
            self._file[f"input_meta/grids/{name}"] = self._file[f"internal_grid/{name}"]
        self._file["reciprocity_coefficient"] = radial.reciprocity

    def inputs(self, files: Sequence[Path], keys: Sequence[tuple[int, str]], scaling_factors: NDArray[np.floating]) -> None:
        """Copy the reconstructions (number of file, key) and the projection matrices of their files."""
        for position, (file, key) in enumerate(keys):
            self._file[f"input_meta/reconstruction_keys/{position}/0"] = file
            self._file[f"input_meta/reconstruction_keys/{position}/1"] = key
        of_file = np.array([file for file, _ in keys])
        for number, path in enumerate(files):
            with h5py.File(path, "r") as source:
                source.copy("projection_matrices", self._file, f"input_meta/projection_matrices/{number}")
                for position in np.flatnonzero(of_file == number).tolist():
                    group = self._file.create_group(f"input/{position}")
                    for old, new in INPUT_FIELDS.items():
                        source.copy(f"{RESULTS}/{keys[position][1]}/{old}", group, new)
        self._file["input_meta/scaling_factors"] = scaling_factors
        means = [scaling_factors[of_file == n].mean() if (of_file == n).any() else np.nan for n in range(len(files))]
        self._file["input_meta/average_scaling_factors_per_file"] = means

    def field(self, name: str, values: NDArray) -> None:
        """Write a field (..., N) shells first."""
        self._file[name] = np.ascontiguousarray(np.moveaxis(values, -1, 0))

    def values(self, group: str, values: Mapping[str, Any]) -> None:
        """Write scalars, texts and small arrays under `group`; None is left out."""
        for name, value in values.items():
            if value is not None:
                self._file[f"{group}/{name}"] = value

    def listed(self, group: str, values: Sequence[Any]) -> None:
        """Write the members of a list as group/0, group/1, ..., marked as a list."""
        self._file.create_group(group).attrs["type"] = "list"
        self.values(group, {str(i): value for i, value in enumerate(values)})


@contextmanager
def create_average_results(path: Path) -> Iterator[AverageWriter]:
    """Create the file under a temporary name; it appears as `path` when the block ends without an error."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        yield AverageWriter(file)
