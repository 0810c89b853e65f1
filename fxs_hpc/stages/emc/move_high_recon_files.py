"""`move-high-recon-files`: put a finished high-resolution reconstruction away (move-recon-files.py in local-update/)."""

from fxs_hpc.stages.emc.context import Context
from fxs_hpc.stages.emc.finished_runs import HIGH
from fxs_hpc.stages.emc.flag_maker import LOCAL_UPDATE
from fxs_hpc.stages.emc.move_recon_files import move


def run(context: Context) -> None:
    """Make prob_dir/high-res-recon-N (high-res-recon-A-N, -B-N for the halves)."""
    if context.ranks.rank == 0:
        move(context, HIGH, LOCAL_UPDATE)
