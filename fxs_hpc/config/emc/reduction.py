"""[reduce-data]: the frames that EMC reads."""

from fxs_hpc.config.emc.keys import FilePath
from fxs_hpc.config.fields import Count, Section, setting


class Reduction(Section):
    """Reduced data."""

    nproc: Count = setting(description="number of ranks for which the frames are ordered")
    mpi_bgfile: FilePath = setting(description="radial backgrounds of the reduced frames")
    mpi_datafile: FilePath = setting(
        description="photons of the reduced frames: `.h5` = compressed store of this package, other names = dense int16 of the reference"
    )
    prob_orien_file: FilePath = setting("aux/prob-orien.bin", "candidate orientations of each reduced frame")
    reduced_data_id_file: FilePath = setting("reduce-data/reduced-data_id.dat", "raw number of each reduced frame")
