"""intensity.mrc and intensity.vti of a reconstruction: its intensity in reciprocal space as a map that other programs show.

`write_voxels` for intensities on the grid, `write_peaks` for merged ones off it. One rank calls them. The files can be written by the
libraries of their formats alone, which are imported here, on that rank and not on all.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.intensity_volume import IntensityVolume, volume_of_peaks, volume_of_voxels
from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.merging import Merged
from fxs_hpc.emc.reflections import Reflections
from fxs_hpc.emc.symmetry import LaueGroup

MRC, VTI = "intensity.mrc", "intensity.vti"
PER_WIDTH = 2.0
"""Points of a map per standard deviation of a peak."""


def write_voxels(folder: Path, reflections: Reflections, intensity: NDArray[np.float64], edge: int) -> str:
    """Write the map of the voxels float64[m] of all reflections into `folder`; returns a line that describes it.

    Parameters
    ----------
    edge : int
        Points along an edge, at most.
    """
    return _write(folder, volume_of_voxels(reflections, intensity, edge))


def write_peaks(folder: Path, merged: Merged, lattice: Lattice, group: LaueGroup, width: float, edge: int) -> str:
    """Write the map of merged intensities, each at all its equivalent lattice points as a Gaussian; returns a line that describes it.

    Parameters
    ----------
    width : float
        Standard deviation of the peaks, 1/Angstrom; the intensities are their heights.
    edge : int
        Points along an edge, at most.
    """
    images = group.images(merged.hkl)
    hkl, chosen = np.unique(images.reshape(-1, 3), axis=0, return_index=True)
    height = merged.intensity[chosen % len(merged.hkl)]
    return _write(folder, volume_of_peaks(hkl @ lattice.reciprocal.T, height, width, width / PER_WIDTH, edge))


def _write(folder: Path, volume: IntensityVolume) -> str:
    from fxs_hpc.files.emc import intensity_volume

    intensity_volume.write_mrc(folder / MRC, volume)
    intensity_volume.write_vti(folder / VTI, volume)
    return f"{folder / MRC}, {VTI}: {len(volume.values)}^3 points, {volume.step:.3g} 1/Angstrom apart"
