"""[low-res-emc]: the EMC iterations."""

from typing import Annotated

from fxs_hpc.config.emc.keys import Auto, FilePath, Switch
from fxs_hpc.config.fields import Count, Section, setting


class Reconstruction(Section):
    """EMC iterations."""

    iter_data_block: Annotated[Count | None, Auto] = setting(
        None, "blocks in which each rank streams its frames; auto = by the memory allowed"
    )
    prob_dir: FilePath = setting(description="folder of the iter_flag-N results")
    start_phi_file: FilePath = setting("aux/start-phi.dat", "scale factor of each frame at the start")
    start_intens_file: FilePath = setting("aux/start_intensity.bin", "intensity at the start; made at random where it is absent")
    reproducible: Switch = setting(False, "same bits on any number of ranks")
