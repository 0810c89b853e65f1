"""`setup-Ematrix`: which pixels see which reflections in each fine rotation of the local stage."""

from fxs_hpc.config.emc.local import LocalUpdate
from fxs_hpc.parallel.communicator import first
from fxs_hpc.stages.emc.context import Context
from fxs_hpc.stages.emc.derived import record
from fxs_hpc.stages.emc.peak_map_files import MapFiles, make_maps
from fxs_hpc.stages.emc.setup_quat import high_cutoff, local_files


def run(context: Context) -> None:
    """Make the maps of all fine rotations at high_res_cutoff."""
    keys = context.config.section(LocalUpdate)
    samples, cutoff = local_files(context).samples, high_cutoff(context)
    maps = context.config.path(keys.local_r2peak_file), context.config.path(keys.local_peak2r_file)
    make_maps(context, MapFiles(samples, cutoff, *maps), None)
    first(context.ranks, lambda: record(context, "setup-Ematrix", samples=samples, cutoff=cutoff, r2peak=maps[0], peak2r=maps[1]))
