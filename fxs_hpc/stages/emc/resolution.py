"""`resolution`: split the frames into halves, refine each on its own, and compare: split-data, refine-orientations twice, cal-CC."""

from dataclasses import replace

from fxs_hpc.config import ini
from fxs_hpc.config.emc.halves import HALVES, half_config_name
from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.config.emc.refinement import Refinement
from fxs_hpc.parallel.communicator import first
from fxs_hpc.stages.emc import cal_cc, refine_orientations, split_data
from fxs_hpc.stages.emc.context import Context


def run(context: Context, resume: bool = False) -> None:
    """Do all of it, each half from equal heights, so that the halves share nothing.

    Parameters
    ----------
    resume : bool
        Go on with halves that are there.
    """
    rounds = context.config.section(Refinement).refine_rounds
    if not resume or not first(context.ranks, lambda: _split_before(context)):
        split_data.run(context)
    for half in HALVES:
        context.say(f"half {half}")
        refine_orientations.run(_of_half(context, half), rounds, resume=resume)
    if context.ranks.rank == 0:
        cal_cc.run(context)


def _of_half(context: Context, half: str) -> Context:
    path = context.config.run.path
    name = path.with_name(half_config_name(path.name, half)) if path else context.home / half_config_name(ini.FILE_NAME, half)
    return replace(context, config=first(context.ranks, lambda: EmcConfig(ini.load(name))))


def _split_before(context: Context) -> bool:
    path = context.config.run.path
    return path is not None and all(path.with_name(half_config_name(path.name, half)).exists() for half in HALVES)
