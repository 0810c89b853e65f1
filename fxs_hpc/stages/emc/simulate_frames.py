"""`simulate-frames`: stills of a crystal as the detector of config.ini would see them, and the truth about them."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.emc.detector import Detector
from fxs_hpc.config.emc.orientation import Lattice as LatticeKeys
from fxs_hpc.config.emc.simulation import Simulation
from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.simulation import Experiment
from fxs_hpc.emc.truth import Kind, Population, Truth, draw, kinds
from fxs_hpc.files.emc import basis, simulated_frames, truth
from fxs_hpc.parallel.communicator import first
from fxs_hpc.parallel.partition import block, interleaved
from fxs_hpc.stages.emc.context import Context, Plan
from fxs_hpc.stages.emc.progress import shown
from fxs_hpc.stages.emc.simulated_experiment import experiment, lattice_path

BYTES = {"cbf": 1.02, "hdf5": 0.4}
"""Size of a pixel on disk where backgrounds are of a few photons."""


def run(context: Context) -> None:
    """Simulate all frames; each rank makes its share, and frames do not depend on the number of ranks."""
    keys = context.config.section(Simulation)
    model = experiment(context)
    people = population(keys)
    folder = context.config.path(keys.sim_dir)
    first(context.ranks, lambda: _prepare(context, model.intensities.lattice))
    _describe(context, model, people)
    (_write_cbf if keys.sim_format == "cbf" else _write_hdf5)(context, model, people)
    context.ranks.barrier()
    if context.ranks.rank == 0:
        place = context.home / "simulate-frames"
        truth.write(place, model, draw(people, range(people.frames)), described(context))
        context.say(f"{people.frames} frames in {folder}, the truth in {place / 'truth.h5'}")


def _prepare(context: Context, lattice: Lattice) -> None:
    """Make the folder of the frames; tell the later stages the lattice."""
    context.config.path(context.config.section(Simulation).sim_dir).mkdir(parents=True, exist_ok=True)
    if not lattice_path(context).exists():
        basis.write(lattice_path(context), lattice)


def plan(context: Context) -> Plan | None:
    """Disk of the frames; nothing where config.ini speaks of no simulation."""
    if not any(key.startswith("sim_") for key in context.config.run.emc):
        return None
    keys, model = context.config.section(Simulation), experiment(context)
    pixels = len(model.background)
    size = int(keys.sim_frames * pixels * BYTES[keys.sim_format])
    hkl, _ = model.intensities.unique
    lines = (f"{keys.sim_frames} frames of {pixels} pixels, {len(model.intensities.hkl)} reflections ({len(hkl)} unique)",)
    return Plan(memory=pixels * 120 + len(model.intensities.hkl) * 100 + 10**8, disk=size, lines=lines)


def population(keys: Simulation) -> Population:
    """Of which kinds the frames are."""
    return Population(
        keys.sim_frames,
        keys.sim_seed,
        keys.sim_multiple,
        keys.sim_junk,
        keys.sim_blank,
        keys.sim_scale_spread,
        keys.sim_background_spread,
        keys.sim_width_spread,
        float(np.radians(keys.sim_mosaicity)),
        keys.sim_mosaicity_spread,
        keys.sim_cell_spread,
    )


def described(context: Context) -> dict[str, float]:
    """Numbers of config.ini that go with the truth."""
    detector, lattice = context.config.section(Detector), context.config.section(LatticeKeys)
    names = ("num_row", "num_col", "cx", "cy", "Rstop", "detd", "px", "wl", "res_max", "sx", "sy", "sz")
    return {"VN": lattice.VN, "gw": lattice.gw} | {name: value for name in names if (value := getattr(detector, name)) is not None}


def _describe(context: Context, model: Experiment, people: Population) -> None:
    numbers = np.bincount(kinds(people), minlength=len(Kind))
    cell = ", ".join(f"{value:.6g}" for value in model.intensities.lattice.cell)
    hkl, _ = model.intensities.unique
    context.say(f"cell {cell}; {len(model.intensities.hkl)} reflections on the detector, {len(hkl)} unique")
    context.say(
        f"{numbers[Kind.SINGLE]} frames with one crystal, {numbers[Kind.MULTIPLE]} with two, {numbers[Kind.JUNK]} with junk, "
        f"{numbers[Kind.BLANK]} with background alone"
    )


def _frames(model: Experiment, people: Population, numbers: Sequence[int]) -> Iterator[tuple[int, NDArray[np.int32]]]:
    known: Truth = draw(people, numbers)
    for row, number in enumerate(numbers):
        yield number, model.frame(known, row, number)


def _write_cbf(context: Context, model: Experiment, people: Population) -> None:
    folder = context.config.path(context.config.section(Simulation).sim_dir)
    mine = range(*block(people.frames, context.ranks.rank, context.ranks.size))
    for number, counts in shown(_frames(model, people, mine), len(mine), "frames", context.ranks, context.say):
        simulated_frames.write_cbf(folder, number, counts)


def _write_hdf5(context: Context, model: Experiment, people: Population) -> None:
    keys = context.config.section(Simulation)
    folder, each = context.config.path(keys.sim_dir), keys.sim_frames_per_file
    files = -(-people.frames // each)
    mine = interleaved(files, context.ranks.rank, context.ranks.size)
    for number in shown(mine, len(mine), "files", context.ranks, context.say):
        frames = range(number * each, min((number + 1) * each, people.frames))
        counts = (counts for _, counts in _frames(model, people, frames))
        simulated_frames.write_data(folder, number + 1, (len(frames), *model.raster.shape), counts)
    context.ranks.barrier()
    if context.ranks.rank == 0:
        simulated_frames.write_master(folder, files, _instrument(context))


def _instrument(context: Context) -> dict[str, tuple[float, str]]:
    keys = context.config.section(Detector)
    named = {
        "beam/incident_wavelength": (keys.wl, "angstrom"),
        "detector/distance": (keys.detd, "m"),
        "detector/x_pixel_size": (keys.px, "m"),
        "detector/y_pixel_size": (keys.px, "m"),
        "detector/beam_center_x": (keys.cy, "pixel"),
        "detector/beam_center_y": (keys.cx, "pixel"),
    }
    return {name: (value, unit) for name, (value, unit) in named.items() if value is not None}
