"""What refine-orientations reads, checked against each other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.emc.background import Background
from fxs_hpc.config.emc.orientation import Lattice as LatticeKeys
from fxs_hpc.config.emc.orientation import Rotations
from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.config.emc.reduction import Reduction
from fxs_hpc.config.emc.refinement import Refinement
from fxs_hpc.emc.detector import Geometry
from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.quaternions import rotation_matrices
from fxs_hpc.emc.radial_background import radial_bins
from fxs_hpc.emc.refinement.ambiguity import TwinLaws, twin_laws
from fxs_hpc.emc.refinement.common import COMMON
from fxs_hpc.emc.refinement.peak_model import PeakShape, lattice_table
from fxs_hpc.emc.refinement.pixels import pixel_table
from fxs_hpc.emc.refinement.rounds import Model, Options, equal_heights
from fxs_hpc.emc.symmetry import LaueGroup, of_lattice
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.emc import candidates, frame_store, hkl_values, probabilities, quaternions, reduced, sym_op
from fxs_hpc.parallel.communicator import first
from fxs_hpc.stages.emc import inputs
from fxs_hpc.stages.emc.context import Context
from fxs_hpc.stages.emc.flag_folder import flag_folders
from fxs_hpc.stages.emc.setup_quat import high_cutoff

Start = Literal["candidates", "low-res"]
WIDTH_OF_SUPPORT = 0.4
"""Standard deviation of a peak where only its support gw is given."""


@dataclass(frozen=True)
class Problem:
    """One refinement.

    Attributes
    ----------
    model : Model
        With the heights to start from.
    options : Options
    geometry : Geometry
        Of the detector.
    q, polar, bins : arrays
        All usable pixels, q in 1/Angstrom.
    lattice, group : Lattice, LaueGroup
    laws : TwinLaws
        Ways of indexing; one if there is no ambiguity.
    frames : ReducedFrames
    raw_id : int64[n]
    samples : Path
        Rotation samples that candidates are numbers of.
    """

    model: Model
    options: Options
    geometry: Geometry
    q: NDArray[np.float64]
    polar: NDArray[np.float64]
    bins: NDArray[np.int32]
    lattice: Lattice
    group: LaueGroup
    laws: TwinLaws
    frames: reduced.ReducedFrames
    raw_id: NDArray[np.int64]
    samples: Path


def problem(context: Context) -> Problem:
    """Read and check everything but the starts."""
    geometry = inputs.geometry(context)
    pixels = inputs.pixels(context, geometry.shape)
    unit = geometry.pixel_to_inverse_angstrom
    lattice = inputs.lattice(context)
    group = first(context.ranks, lambda: sym_op.read(context.home / "aux" / "sym-op.dat", lattice))
    options = _options(context)
    bins = context.config.section(Background).qlen
    number = radial_bins(pixels.modulus, pixels.polar, geometry.q_max, bins).number(pixels.modulus).astype(np.int32)
    q = pixels.q * unit
    table = lattice_table(lattice, group.indices, geometry.q_min * unit, options.limit)
    width = context.config.section(Refinement).peak_width or _auto_width(context)
    model = Model(pixel_table(q, pixels.polar, number), table, group.proper, equal_heights(table), PeakShape(width, width))
    keys = context.config.section(Reduction)
    photons, background = context.config.path(keys.mpi_datafile), context.config.path(keys.mpi_bgfile)
    order = frame_store.pixel_order(pixels.index)
    frames = reduced.open_reduced(photons, background, len(pixels), bins, order)
    raw_id = first(context.ranks, lambda: _raw_id(context.config.path(keys.reduced_data_id_file), frames.count))
    laws = twin_laws(group, of_lattice(lattice))
    samples = context.config.path(context.config.section(Rotations).quat_file)
    return Problem(model, options, geometry, q, pixels.polar, number, lattice, group, laws, frames, raw_id, samples)


def _auto_width(context: Context) -> float:
    grid = inputs.voxel_grid(context)
    return WIDTH_OF_SUPPORT * grid.tolerance


def _options(context: Context) -> Options:
    keys = context.config.section(Refinement)
    coarse = context.config.section(LatticeKeys).res_cutoff
    common = np.zeros(COMMON, bool)
    common[:3] = keys.fit_peak_shape
    common[3:5] = keys.fit_geometry != "no"
    common[5] = keys.fit_geometry == "centre and distance"
    return Options(
        1 / coarse,
        1 / high_cutoff(context),
        keys.refine_starts,
        float(np.radians(keys.start_error)),
        keys.cell_spread,
        keys.width_spread,
        common,
        largest_share=keys.unexplained_share,
        few=keys.unexplained_few,
    )


def _raw_id(path: Path, count: int) -> NDArray[np.int64]:
    try:
        numbers = np.array(path.read_text().split(), np.int64)
    except (OSError, ValueError) as error:
        raise InputFileError(f"{path}: cannot be read ({error}); run `fxs-hpc emc reduce-data` first") from None
    if not len(numbers) or numbers[0] != count or len(numbers) != count + 1:
        raise InputFileError(f"{path}: lists {len(numbers) - 1} frames, the reduced data hold {count}; run `fxs-hpc emc reduce-data` again")
    return numbers[1:]


class Candidates:
    """Orientations to start from, float64[m, 3, 3] for each reduced frame."""

    def __init__(self, first_entry: NDArray[np.int64], rotation: NDArray[np.int32], samples: Path) -> None:
        self._first, self._rotation = first_entry, rotation
        self._samples = quaternions.mapped(samples)

    def of(self, low: int, high: int) -> list[NDArray[np.float64]]:
        """Of frames low .. high - 1."""
        return [
            rotation_matrices(np.asarray(self._samples[self._rotation[a:b], :4], np.float64))
            for a, b in zip(self._first[low:high].tolist(), self._first[low + 1 : high + 1].tolist())
        ]


def starts(context: Context, made: Problem, start: Start) -> tuple[Candidates, NDArray[np.float64], str]:
    """Candidates, heights to start from, and what they are in words."""
    if start == "candidates":
        path = context.config.path(context.config.section(Reduction).prob_orien_file)
        found = first(context.ranks, lambda: candidates.read(path, made.frames.count, quaternions.read_count(made.samples)))
        return Candidates(found.first, found.rotation, made.samples), equal_heights(made.model.lattice), f"{path}, equal heights"
    folder = first(context.ranks, lambda: low_resolution(context.config.path(context.config.section(Reconstruction).prob_dir)))
    probable = first(context.ranks, lambda: probabilities.read_all(folder[-1], made.frames.count))
    first_entry = np.concatenate([[0], np.cumsum([len(frame.rotation) for frame in probable])]).astype(np.int64)
    rotation = np.concatenate([np.zeros(0, np.int32), *(frame.rotation for frame in probable)])
    heights = first(context.ranks, lambda: _heights(folder[0] / "hkl-val.dat", made))
    return Candidates(first_entry, rotation, made.samples), heights, f"{folder[-1]}"


def low_resolution(prob_dir: Path) -> tuple[Path, Path]:
    """Folders of the last intensities and of the last probabilities of low-res-emc.

    Raises
    ------
    InputFileError
        There are none.
    """
    moved = sorted(prob_dir.glob("low-res-recon-[0-9]*"), key=lambda path: int(path.name.rpartition("-")[2]))
    for folder in (prob_dir, *reversed(moved)):
        flags = list(flag_folders(folder).values())
        with_heights = [path for path in flags if (path / "hkl-val.dat").is_file()]
        if with_heights:
            return with_heights[-1], flags[-1]
    raise InputFileError(
        f"{prob_dir}: no iter_flag-N of low-res-emc, here or in low-res-recon-N; run it first, or start from the candidates "
        f"of orient-peak: `fxs-hpc emc refine-orientations --start candidates`"
    )


def _heights(path: Path, made: Problem) -> NDArray[np.float64]:
    """Mean intensity of each set of equivalents; 0 where low-res-emc has none."""
    hkl, values = hkl_values.read(path)
    table = made.model.lattice
    centre = np.array(table.lookup.shape) // 2
    inside = np.all(np.abs(hkl) <= centre, axis=1)
    number = table.lookup[tuple((hkl[inside] + centre).T)]
    known, values = number >= 0, values[inside]
    total, count = np.zeros((2, made.model.heights.size))
    np.add.at(total, table.unique[number[known]], values[known])
    np.add.at(count, table.unique[number[known]], 1)
    return np.divide(total, count, out=np.zeros_like(total), where=count > 0)
