"""[low-res-emc]: the EMC iterations."""

from typing import Annotated, Literal

from pydantic import AfterValidator

from fxs_hpc.config.emc.keys import Auto, FilePath, Switch
from fxs_hpc.config.fields import Count, Index, NotNegative, Positive, Section, setting


def _edge(value: int) -> int:
    if value and not 16 <= value <= 2048:
        raise ValueError("is no edge of a map: 0 (no map), or 16 to 2048")
    return value


class Reconstruction(Section):
    """EMC iterations."""

    iter_data_block: Annotated[Count | None, Auto] = setting(
        None, "blocks in which each rank streams its frames; auto = by the memory allowed"
    )
    prob_dir: FilePath = setting(description="folder of the iter_flag-N results")
    start_phi_file: FilePath = setting("aux/start-phi.dat", "scale factor of each frame at the start")
    start_intens_file: FilePath = setting("aux/start_intensity.bin", "intensity at the start; made at random where it is absent")
    low_res_iterations: Count = setting(20, "iterations of low-res-emc in a chain of stages; at most, it stops when converged")
    reproducible: Switch = setting(True, "same bits on any number of ranks and threads: always so, whatever is given here")
    frame_memory: Positive = setting(500.0, "memory that the photons of one rank may take, for iter_data_block = auto", "MB")
    start_seed: Index = setting(0, "random numbers of the start; halves A and B get different ones all the same")
    emc_rules: Literal["own", "reference"] = setting(
        "own", "own, or those of the reference program: negative voxels as rates, plain means of equivalents, scale factors without memory"
    )
    prune_margin: NotNegative = setting(100.0, "log-likelihood below the best at which a candidate is given up for some flags; 0 = never")
    prune_interval: Count = setting(10, "flags after which given-up candidates are looked at again")
    map_edge: Annotated[Index, AfterValidator(_edge)] = setting(
        256, "points along an edge of intensity.mrc and .vti, at most; boxes of voxels are averaged where more were needed; 0 = no maps"
    )
    convergence_angle: NotNegative = setting(0.05, "--until-converged: largest change of two iterations; 0 = never", "degrees")
