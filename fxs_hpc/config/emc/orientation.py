"""[make-quaternion], [orient-peak], [make-Ematrix]: rotation samples, lattice cutoff, maps between reflections and pixels."""

from typing import Annotated

from fxs_hpc.config.emc.keys import FilePath, plausible
from fxs_hpc.config.fields import Count, FiniteReal, Positive, Section, setting


class Rotations(Section):
    """Samples of the rotation group."""

    quat_file: FilePath = setting(description="coarse rotation samples; the name holds quaternion<N>, N = num_div of the 600-cell")


class Crystal(Section):
    """Symmetry of the crystal."""

    space_group: str | None = setting(
        None, "number or symbol of the space group, or point group; without it the highest that the cell allows"
    )


class Lattice(Section):
    """Cutoff and peak size of the coarse stages."""

    res_cutoff: Annotated[FiniteReal, plausible(0.3, 1000, "is it in Angstrom?")] = setting(
        description="cutoff of the low resolution stages", unit="Angstrom"
    )
    VN: Count = setting(description="voxels per shortest reciprocal lattice vector")
    gw: Positive = setting(description="radius of a Bragg peak", unit="voxels")


class Maps(Section):
    """Maps between reflections and pixels."""

    r2peak_file: FilePath = setting(description="reflections and pixels of each rotation")
    peak2r_file: FilePath = setting(description="rotations and pixels of each reflection")
