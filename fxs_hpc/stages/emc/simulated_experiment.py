"""The experiment that config.ini describes, to be simulated: crystal, background, detector with its faults."""

from functools import cache
from math import atan, sin
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.emc.detector import Detector
from fxs_hpc.config.emc.orientation import Crystal
from fxs_hpc.config.emc.orientation import Lattice as LatticeKeys
from fxs_hpc.config.emc.simulation import Simulation
from fxs_hpc.emc.detector import Geometry
from fxs_hpc.emc.lattice import Lattice, VoxelGrid
from fxs_hpc.emc.model_intensities import ModelIntensities, given_intensities, random_intensities, reflections
from fxs_hpc.emc.raster import Raster, panel_tables, raster
from fxs_hpc.emc.simulation import Experiment, Faults, model_background, random_faults
from fxs_hpc.emc.spots import PeakShape
from fxs_hpc.emc.symmetry import LaueGroup, of_lattice, of_space_group
from fxs_hpc.errors import DataError, InputFileError
from fxs_hpc.files.emc import basis, mask, structure_factors
from fxs_hpc.parallel.communicator import first, share
from fxs_hpc.stages.emc import inputs
from fxs_hpc.stages.emc.context import Context

CELL_TOLERANCE = 1e-3
DIGITS = 12
"""Of a basis made from a cell: -14 and not -13.999999999999993."""


def experiment(context: Context) -> Experiment:
    """What all simulated frames share; every rank makes it, from the same seed."""
    keys, geometry, crystal = context.config.section(Simulation), inputs.geometry(context), lattice(context)
    masked = mask_of_file(context, geometry.shape)
    scene = shared_raster(context, geometry, masked)
    return Experiment(
        scene,
        intensities(context, crystal, scene),
        PeakShape(keys.sim_width or 1 / _grid(context, crystal).scale, keys.sim_bandwidth, keys.sim_tails),
        background(context, scene),
        faults(context, geometry, scene, masked),
        keys.sim_seed,
    )


def shared_raster(context: Context, geometry: Geometry, masked: NDArray[np.bool_]) -> Raster:
    """`raster`, with its large tables held once per node."""
    made = cache(lambda: raster(geometry, masked))
    ranks = context.ranks
    q, polar, usable = (share(ranks, lambda name=name: getattr(made(), name)) for name in ("q", "polar", "usable"))  # type: ignore[misc]
    return Raster(geometry.shape, q, polar, usable, *panel_tables(geometry))


def lattice(context: Context) -> Lattice:
    """The lattice of aux/basis-vec.dat; where there is none, that of the key sim_cell.

    a lies along x, b in the plane of x and y.
    """
    cell = context.config.section(Simulation).sim_cell
    if cell is None:
        return inputs.lattice(context)
    made = Lattice(np.round(gemmi.UnitCell(*cell).orth.mat.tolist(), DIGITS))
    return first(context.ranks, lambda: _agreeing(lattice_path(context), made))


def lattice_path(context: Context) -> Path:
    """aux/basis-vec.dat."""
    return context.home / "aux" / "basis-vec.dat"


def _agreeing(path: Path, made: Lattice) -> Lattice:
    if not path.exists():
        return made
    found = basis.read(path)
    if not np.allclose(found.cell, made.cell, rtol=CELL_TOLERANCE):
        cells = " and ".join(", ".join(f"{value:.6g}" for value in cell) for cell in (found.cell, made.cell))
        raise DataError(f"{path} and sim_cell describe different cells ({cells}); remove the file, or set sim_cell = auto")
    return found


def laue_group(context: Context, crystal: Lattice) -> LaueGroup:
    """Of the key space_group, else the highest symmetry of the cell."""
    name = context.config.section(Crystal).space_group
    return of_space_group(name, crystal) if name else of_lattice(crystal)


def intensities(context: Context, crystal: Lattice, scene: Raster) -> ModelIntensities:
    """|F|^2 of all reflections that the detector can see."""
    keys = context.config.section(Simulation)
    q_max = float(scene.modulus[np.isfinite(scene.modulus)].max())
    operators = laue_group(context, crystal).indices
    if keys.sim_intensities:
        hkl, values = first(context.ranks, lambda: structure_factors.read(context.config.path(keys.sim_intensities or "")))
        return given_intensities(crystal, operators, q_max, keys.sim_peak_photons, hkl, values)
    absent = _absent(context.config.section(Crystal).space_group, reflections(crystal, q_max))
    return random_intensities(crystal, operators, q_max, keys.sim_peak_photons, keys.sim_wilson_b, keys.sim_seed, absent)


def _absent(name: str | None, hkl: NDArray[np.int32]) -> NDArray[np.bool_] | None:
    """Reflections that the space group extinguishes; None where no space group is named."""
    text = (name or "").replace("_", " ")
    found = gemmi.find_spacegroup_by_number(int(text)) if text.isdigit() else gemmi.find_spacegroup_by_name(text)
    return found.operations().systematic_absences(hkl) if found else None


def background(context: Context, scene: Raster) -> NDArray[np.float64]:
    """Photons of each pixel, for polar = 1."""
    keys = context.config.section(Simulation)
    if keys.sim_background_file is None:
        return model_background(scene.modulus, keys.sim_background, keys.sim_water_ring)
    path = context.config.path(keys.sim_background_file)
    q, photons = first(context.ranks, lambda: _radial(path))
    return np.where(np.isfinite(scene.modulus), np.interp(scene.modulus, q, photons), 0.0)


def _radial(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    try:
        table = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise InputFileError(f"{path}: no radial background ({error}); give lines `q photons`, q in 1/Angstrom") from None
    if table.shape[1] < 2 or (np.diff(table[:, 0]) <= 0).any() or (table[:, 1] < 0).any():
        raise InputFileError(f"{path}: expected lines `q photons` with ascending q (1/Angstrom) and photons not below 0")
    return table[:, 0], table[:, 1]


def mask_of_file(context: Context, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask that mask_file names: gaps between panels, for example. Nothing is masked where there is none."""
    path = context.config.section(Detector).mask_file
    return first(context.ranks, lambda: mask.read(context.config.path(path), shape)) if path else np.zeros(shape, bool)


def faults(context: Context, geometry: Geometry, scene: Raster, masked: NDArray[np.bool_]) -> Faults:
    """Gaps (the mask), dead and hot pixels, beam stop."""
    keys, radius = context.config.section(Simulation), context.config.section(Detector).Rstop
    stop = 2 / geometry.wavelength * sin(atan(radius / geometry.D) / 2)
    return random_faults(scene, masked.ravel(), keys.sim_dead_pixels, keys.sim_hot_pixels, keys.sim_hot_value, stop, keys.sim_seed)


def _grid(context: Context, crystal: Lattice) -> VoxelGrid:
    keys = context.config.section(LatticeKeys)
    return VoxelGrid(crystal, keys.VN, keys.gw)
