"""`resolution`: split the frames into halves, reconstruct each on its own, and compare.

Off the grid: split-data, refine-orientations twice, cal-CC. On the grid: see `grid_halves`.
"""

from functools import partial

from fxs_hpc.config.emc.halves import HALVES
from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.config.emc.reduction import Reduction
from fxs_hpc.config.emc.refinement import Refinement
from fxs_hpc.config.emc.resolution import Resolution
from fxs_hpc.parallel.communicator import first
from fxs_hpc.stages.emc import cal_cc, grid_halves, low_res_emc, refine_orientations, split_data
from fxs_hpc.stages.emc.context import Context, Plan
from fxs_hpc.stages.emc.finished_runs import HIGH, refine_folder
from fxs_hpc.stages.emc.flag_folder import flag_folders
from fxs_hpc.stages.emc.half_context import half_config, of_half, split_before
from fxs_hpc.stages.row import Standing

GRID = "grid"


def run(context: Context, resume: bool = False, method: str | None = None, time_limit: float | None = None) -> None:
    """Do all of it; the halves share nothing.

    Parameters
    ----------
    resume : bool
        Go on with halves that are there.
    method : {'off-grid', 'grid'}, optional
        `resolution_method` of config.ini without it.
    time_limit : float or None
        Seconds after which a run on the grid must have stopped.
    """
    if (method or context.config.section(Resolution).resolution_method) == GRID:
        grid_halves.run(context, partial(cal_cc.run, kind=HIGH), resume, time_limit)
        return
    rounds = context.config.section(Refinement).refine_rounds
    if not resume or not first(context.ranks, lambda: split_before(context.config.run)):
        split_data.run(context)
    for half in HALVES:
        context.say(f"half {half}")
        refine_orientations.run(of_half(context, half), rounds, resume=resume)
    if context.ranks.rank == 0:
        cal_cc.run(context)


def plan(context: Context) -> Plan:
    """That of all frames in one run: no half takes more memory, and both together as much disk."""
    grid = context.config.section(Resolution).resolution_method == GRID
    return low_res_emc.plan(context) if grid else refine_orientations.plan(context)


def standing(keys: EmcConfig) -> Standing:
    """How far both halves have come, by the method of config.ini."""
    if keys.section(Resolution).resolution_method == GRID:
        return grid_halves.standing(keys)
    rounds = keys.section(Refinement).refine_rounds
    compared, data = keys.home / cal_cc.FOLDER / "shells.csv", keys.path(keys.section(Reduction).mpi_datafile)
    folders = [refine_folder(half_config(keys.run, half)) for half in HALVES] if split_before(keys.run) else []
    last = [list(flag_folders(folder).items())[-1:] for folder in folders]
    made = sum(min(number, rounds) for found in last for number, _ in found)
    sources = [path for path in (data, *(folder for found in last for _, folder in found)) if path.exists()]
    newer = [path for path in sources if not compared.exists() or path.stat().st_mtime > compared.stat().st_mtime]
    done = made == len(HALVES) * rounds and not newer
    return Standing(done, f"{made} rounds of the halves{'' if done else ', not compared'}" if made else "", made, len(HALVES) * rounds)
