"""[local-update]: high resolution."""

from typing import Annotated

from fxs_hpc.config.emc.keys import Auto, FilePath, Switch, plausible
from fxs_hpc.config.fields import Count, FiniteReal, Section, setting


class LocalUpdate(Section):
    """Local update near the orientations of the low resolution stage."""

    high_res_cutoff: Annotated[FiniteReal | None, plausible(0.3, 1000, "is it in Angstrom?"), Auto] = setting(
        None, "cutoff of the high resolution stages, between res_max and res_cutoff; auto = res_max", "Angstrom"
    )
    start_prob_dir: FilePath = setting("aux/start_prob", "folder of the probabilities to start from")
    fine_quat_file: FilePath | None = setting(None, "fine rotation samples")
    quat_table_file: FilePath | None = setting(None, "fine samples near each coarse one")
    local_r2peak_file: FilePath = setting("Data/mpi-r2peak-local.bin", "reflections and pixels of each fine rotation")
    local_peak2r_file: FilePath = setting("Data/mpi-peak2r-local.bin", "rotations and pixels of each reflection")
    local_phi: Switch = setting(
        False, "whether local-update updates the scale factors after each intensity, as low-res-emc does; the reference program keeps them"
    )
    local_iterations: Count = setting(10, "iterations of local-update in a chain of stages; at most, it stops when converged")
