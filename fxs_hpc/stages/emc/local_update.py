"""`local-update`: the high-resolution intensity by EMC over the fine samples near each frame's probable orientations.

Iteration n makes prob_dir/iter_flag-[n]; with `local_phi`, which updates the scale factors too, iter_flag-[2n - 1] and iter_flag-[2n] as
low-res-emc. The engine is that of low-res-emc; what differs is the cutoff and the candidates.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.emc.local import LocalUpdate
from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.files.emc import intensity, phi
from fxs_hpc.parallel.communicator import first
from fxs_hpc.stages.emc import emc_inputs
from fxs_hpc.stages.emc.context import Context, Plan
from fxs_hpc.stages.emc.emc_engine import Engine, Task
from fxs_hpc.stages.emc.emc_inputs import SearchFiles
from fxs_hpc.stages.emc.emc_plan import emc_plan
from fxs_hpc.stages.emc.emc_run import RunFiles, reconstruct
from fxs_hpc.stages.emc.flag_maker import LOCAL_UPDATE
from fxs_hpc.stages.emc.flags import LOCAL, LOW_RES
from fxs_hpc.stages.emc.setup_quat import high_cutoff, local_files

FOLDER = "local-update"


def run(context: Context, iterations: int, resume: bool = False, until_converged: bool = False, time_limit: float | None = None) -> bool:
    """Iterate; returns whether the run came to its end (False: it was stopped before).

    Parameters
    ----------
    iterations : int
        Number of the last iteration.
    resume : bool
        Continue after the last complete iter_flag.
    until_converged : bool
        Stop as soon as the model no longer changes.
    time_limit : float or None
        Seconds after which the run must have stopped.
    """
    keys = context.config.section(Reconstruction)
    search = first(context.ranks, lambda: search_files(context))
    return reconstruct(
        context,
        RunFiles(context.config.path(keys.prob_dir), context.home / FOLDER, LOCAL_UPDATE),
        search,
        lambda: task(context, search),
        lambda task, engine: start(context, task, engine),
        LOW_RES if context.config.section(LocalUpdate).local_phi else LOCAL,
        iterations,
        resume,
        keys.convergence_angle if until_converged else None,
        time_limit,
    )


def plan(context: Context) -> Plan:
    """Memory of a rank and of a node, and disk for the results of an iteration."""
    return emc_plan(context, search_files(context))


def search_files(context: Context) -> SearchFiles:
    """Samples, map and candidates of this stage."""
    files = local_files(context)
    map_file = context.config.path(context.config.section(LocalUpdate).local_r2peak_file)
    return SearchFiles(high_cutoff(context), files.samples, map_file, files.candidates)


def task(context: Context, search: SearchFiles) -> Task:
    """All that the engine needs; frames that were rejected stay out, by whatever rules."""
    made = emc_inputs.task(context, search)
    return replace(made, rules=made.rules._replace(revival=False))


def start(context: Context, task: Task, engine: Engine) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Intensity of setup-intens, averaged over the Laue group, and scale factors of the low resolution without the rejected frames."""
    keys = context.config.section(Reconstruction)
    scale = first(context.ranks, lambda: phi.read(context.config.path(keys.start_phi_file), task.frames))
    path = context.config.path(keys.start_intens_file)
    voxels = len(task.model.cubes.place)
    return engine.symmetric_mean(first(context.ranks, lambda: intensity.read(path, voxels))), scale
