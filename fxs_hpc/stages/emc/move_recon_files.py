"""`move-recon-files`: put a finished low-resolution reconstruction away, with the files it started from and its logs."""

from pathlib import Path

from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.files.lock import locked
from fxs_hpc.stages.emc.context import Context, Plan
from fxs_hpc.stages.emc.finished_runs import LOW, half
from fxs_hpc.stages.emc.flag_folder import flag_folders
from fxs_hpc.stages.emc.flag_maker import LOW_RES_EMC, others, refuse_others
from fxs_hpc.stages.emc.reconstruction_archive import archive_name, archives, put_away
from fxs_hpc.stages.row import Standing

LOGS = ("EMC.log", "run.log")


def run(context: Context) -> None:
    """Make prob_dir/low-res-recon-N (low-res-recon-A-N, -B-N for the halves)."""
    if context.ranks.rank == 0:
        move(context, LOW, LOW_RES_EMC)


def move(context: Context, kind: str, stage: str) -> Path:
    """Put the iter_flag folders that `stage` has made away, with the start files and the logs in its folder."""
    keys = context.config.section(Reconstruction)
    results = context.config.path(keys.prob_dir)
    starts = [context.config.path(path) for path in (keys.start_phi_file, keys.start_intens_file)]
    own = half(context.config)
    with locked(results):
        refuse_others(results, stage, own)
        made = put_away(results, archive_name(kind, own), [*starts, *(context.home / stage / name for name in LOGS)])
    context.say(f"{made}: {len(list(made.glob('iter_flag-*')))} flags, start files and logs")
    return made


def standing(keys: EmcConfig) -> Standing:
    """Done where a reconstruction was put away and no new one of low-res-emc lies beside it."""
    results, own = keys.path(keys.section(Reconstruction).prob_dir), half(keys)
    found = archives(results, archive_name(LOW, own))
    done = bool(found) and set(flag_folders(results)) <= set(others(results, LOW_RES_EMC, own))
    return Standing(done, found[max(found)].name if done else "")


def plan(context: Context) -> Plan:
    """Nothing."""
    return Plan(memory=10**8, disk=0)
