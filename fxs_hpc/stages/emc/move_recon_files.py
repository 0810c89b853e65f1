"""`move-recon-files`: put a finished low-resolution reconstruction away, with the files it started from and its logs."""

from pathlib import Path

from fxs_hpc.config.emc.halves import half_of
from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.files.lock import locked
from fxs_hpc.stages.emc.context import Context, Plan
from fxs_hpc.stages.emc.flag_folder import flag_folders
from fxs_hpc.stages.emc.reconstruction_archive import archive_name, archives, put_away
from fxs_hpc.stages.row import Standing

KIND = "low-res-recon"
LOGS = ("EMC.log", "run.log")


def run(context: Context) -> None:
    """Make prob_dir/low-res-recon-N (low-res-recon-A-N, -B-N for the halves)."""
    if context.ranks.rank == 0:
        move(context, KIND, context.home / "low-res-emc")


def move(context: Context, kind: str, logs: Path) -> Path:
    """Put the iter_flag folders away together with the start files and the logs in `logs`."""
    keys = context.config.section(Reconstruction)
    results = context.config.path(keys.prob_dir)
    starts = [context.config.path(path) for path in (keys.start_phi_file, keys.start_intens_file)]
    config = context.config.run.path
    with locked(results):
        made = put_away(results, archive_name(kind, half_of(config.name) if config else None), [*starts, *(logs / name for name in LOGS)])
    context.say(f"{made}: {len(list(made.glob('iter_flag-*')))} flags, start files and logs")
    return made


def standing(keys: EmcConfig) -> Standing:
    """Done where a reconstruction was put away and no new one lies beside it."""
    results = keys.path(keys.section(Reconstruction).prob_dir)
    found = archives(results, archive_name(KIND, half_of(keys.run.path.name) if keys.run.path else None))
    done = bool(found) and not flag_folders(results)
    return Standing(done, found[max(found)].name if done else "")


def plan(context: Context) -> Plan:
    """Nothing."""
    return Plan(memory=10**8, disk=0)
