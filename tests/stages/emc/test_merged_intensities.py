"""Which intensities and sigmas of a reconstruction are merged."""

import numpy as np
import pytest

from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.merging import Merged
from fxs_hpc.emc.symmetry import of_lattice, of_space_group
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.emc import crystfel_hkl, mean_std
from fxs_hpc.files.emc.mean_std import MeanStd
from fxs_hpc.stages.emc import merged_intensities

LATTICE = Lattice(np.diag([20.0, 20.0, 31.0]))
GROUP = of_lattice(LATTICE)
HKL = np.array([[2, 1, 3], [1, 2, 3], [-1, 2, -3], [4, 0, 0], [0, -4, 0]], np.int32)


def separate(folder):
    mean_std.write(
        folder / "intens-mean-std.dat", MeanStd(np.arange(5, dtype=np.int32), HKL, np.array([9.0, 10, 11, 3, 5]), np.full(5, 0.6))
    )


def test_sigmas_of_the_reconstruction_come_first(tmp_path):
    """Those of merged.hkl know how the equivalents of one orbit hang together; the list of single reflections does not."""
    separate(tmp_path)
    alone = merged_intensities.read(tmp_path, GROUP)
    merged = Merged(np.array([[-1, -2, 3], [0, 4, 0]], np.int32), np.array([10.0, 4.0]), np.array([1.5, 2.5]), np.array([3, 2]))
    crystfel_hkl.write(tmp_path / "merged.hkl", merged, "4/mmm")
    found = merged_intensities.read(tmp_path, GROUP)
    order = np.lexsort(found.hkl.T)
    # the same reflections under the same indices, whatever representative the file has
    assert np.array_equal(found.hkl[order], alone.hkl[np.lexsort(alone.hkl.T)]) and {tuple(x) for x in found.hkl.tolist()} == {
        (2, 1, 3),
        (4, 0, 0),
    }
    for hkl, value, sigma, error in (((2, 1, 3), 10, 1.5, 0.6 / np.sqrt(3)), ((4, 0, 0), 4, 2.5, 0.6 / np.sqrt(2))):
        one, other = (int(np.flatnonzero((part.hkl == hkl).all(axis=1))[0]) for part in (found, alone))
        assert found.intensity[one] == value == alone.intensity[other]
        assert found.sigma[one] == sigma and alone.sigma[other] == pytest.approx(error)


def test_intensities_of_less_symmetry_are_refused(tmp_path):
    merged = Merged(np.array([[1, 2, 3], [2, 1, 3]], np.int32), np.ones(2), np.ones(2), np.ones(2, int))
    crystfel_hkl.write(tmp_path / "merged.hkl", merged, "4/m")
    assert len(merged_intensities.read(tmp_path, of_space_group("P 4", LATTICE)).hkl) == 2
    with pytest.raises(InputFileError, match="lists 2 reflections, but only 1 sets of equivalents in the Laue group 4/mmm"):
        merged_intensities.read(tmp_path, GROUP)
