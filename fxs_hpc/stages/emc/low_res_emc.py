"""`low-res-emc`: the low-resolution intensity by expand-maximise-compress.

Iteration n makes prob_dir/iter_flag-[2n - 1] (new intensity) and iter_flag-[2n] (new scale factors), each there as a whole or not at all.
"""

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.config.emc.orientation import Lattice as LatticeKeys
from fxs_hpc.config.emc.orientation import Maps, Rotations
from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.config.emc.reduction import Reduction
from fxs_hpc.emc.start_model import random_intensity
from fxs_hpc.files.emc import intensity, phi
from fxs_hpc.parallel.communicator import first
from fxs_hpc.stages.emc import emc_inputs
from fxs_hpc.stages.emc.context import Context, Plan
from fxs_hpc.stages.emc.emc_engine import Engine, Task
from fxs_hpc.stages.emc.emc_inputs import SearchFiles
from fxs_hpc.stages.emc.emc_plan import emc_plan
from fxs_hpc.stages.emc.emc_run import RunFiles, reconstruct
from fxs_hpc.stages.emc.emc_standing import run_standing
from fxs_hpc.stages.emc.finished_runs import LOW, half
from fxs_hpc.stages.emc.flag_folder import flag_folders
from fxs_hpc.stages.emc.flag_maker import LOW_RES_EMC, others
from fxs_hpc.stages.emc.flags import LOW_RES, LOW_RES_FIXED_PHI
from fxs_hpc.stages.emc.reconstruction_archive import archive_name, archives
from fxs_hpc.stages.row import Standing

FOLDER = "low-res-emc"


def run(
    context: Context,
    iterations: int,
    resume: bool = False,
    until_converged: bool = False,
    intensity_only: bool = False,
    time_limit: float | None = None,
) -> bool:
    """Iterate; returns whether the run came to its end (False: it was stopped before).

    Parameters
    ----------
    iterations : int
        Number of the last iteration.
    resume : bool
        Continue after the last complete iter_flag; begin where there is none.
    until_converged : bool
        Stop as soon as model and scale factors no longer change.
    intensity_only : bool
        The scale factors stay as they are; only odd flags are made.
    time_limit : float or None
        Seconds after which the run must have stopped.
    """
    keys = context.config.section(Reconstruction)
    files = RunFiles(context.config.path(keys.prob_dir), context.home / FOLDER, LOW_RES_EMC)
    task = lambda: emc_inputs.task(context, search_files(context))  # noqa: E731
    return reconstruct(
        context,
        files,
        search_files(context),
        task,
        lambda made, engine: start(context, made, engine),
        LOW_RES_FIXED_PHI if intensity_only else LOW_RES,
        iterations,
        resume,
        keys.convergence_angle if until_converged else None,
        time_limit,
    )


def standing(keys: EmcConfig) -> Standing:
    """How far the iterations in prob_dir have come, or those that were put away last."""
    section = keys.section(Reconstruction)
    results = keys.path(section.prob_dir)
    own, put_away = half(keys), archives(results, archive_name(LOW, half(keys)))
    if set(flag_folders(results)) <= set(others(results, LOW_RES_EMC, own)):
        if not put_away:
            return Standing(False, "not begun", 0, section.low_res_iterations)
        results = put_away[max(put_away)]
    return run_standing(results, LOW_RES, section.low_res_iterations, section.convergence_angle)


def plan(context: Context) -> Plan:
    """Memory of a rank and of a node, and disk for the results of an iteration."""
    return emc_plan(context, search_files(context))


def search_files(context: Context) -> SearchFiles:
    """Samples, map and candidates of this stage."""
    section, path = context.config.section, context.config.path
    return SearchFiles(
        section(LatticeKeys).res_cutoff,
        path(section(Rotations).quat_file),
        path(section(Maps).r2peak_file),
        path(section(Reduction).prob_orien_file),
    )


def start(context: Context, task: Task, engine: Engine) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Intensity and scale factors to start from; a random intensity is made and written where there is none."""
    keys = context.config.section(Reconstruction)
    scale = first(context.ranks, lambda: phi.read(context.config.path(keys.start_phi_file), task.frames))
    path = context.config.path(keys.start_intens_file)
    voxels = len(task.model.cubes.place)
    if first(context.ranks, path.exists):
        return first(context.ranks, lambda: intensity.read(path, voxels)), scale
    made = engine.symmetric_mean(random_intensity(task.model.reflections, (keys.start_seed, _of_name(path))))
    first(context.ranks, lambda: intensity.write(path, made))
    context.say(f"{path}: made at random (start_seed = {keys.start_seed})")
    return made, scale


def _of_name(path: Path) -> int:
    """A number for the name of a file: halves A and B do not start from the same random numbers."""
    return zlib.crc32(path.name.encode())
