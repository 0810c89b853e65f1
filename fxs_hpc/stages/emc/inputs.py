"""The inputs that many stages read, found through config.ini, with errors that say which stage makes them."""

from fxs_hpc.config.emc.orientation import Lattice as LatticeKeys
from fxs_hpc.emc.lattice import Lattice, VoxelGrid
from fxs_hpc.files.emc import basis
from fxs_hpc.parallel.communicator import first
from fxs_hpc.stages.emc.context import Context


def lattice(context: Context) -> Lattice:
    """The lattice of aux/basis-vec.dat."""
    return first(context.ranks, lambda: basis.read(context.home / "aux" / "basis-vec.dat"))


def voxel_grid(context: Context) -> VoxelGrid:
    """The grid of intensity voxels."""
    keys = context.config.section(LatticeKeys)
    return VoxelGrid(lattice(context), keys.VN, keys.gw)
