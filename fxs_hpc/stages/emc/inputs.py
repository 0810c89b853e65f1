"""The inputs that many stages read, found through config.ini, with errors that say which stage makes them."""

from dataclasses import replace
from functools import cache
from pathlib import Path

from fxs_hpc.config.emc.background import Frames
from fxs_hpc.config.emc.detector import Detector
from fxs_hpc.config.emc.orientation import Lattice as LatticeKeys
from fxs_hpc.emc.detector import Geometry, Pixels, flat, limits
from fxs_hpc.emc.lattice import Lattice, VoxelGrid
from fxs_hpc.files.emc import basis, file_lists, geom, pix_map, rec_vectors
from fxs_hpc.files.emc.file_lists import FileLists
from fxs_hpc.files.frames import FrameSource, open_frames
from fxs_hpc.parallel.communicator import Alone, first, share
from fxs_hpc.stages.emc.context import Context


def lattice(context: Context) -> Lattice:
    """The lattice of aux/basis-vec.dat."""
    return first(context.ranks, lambda: basis.read(context.home / "aux" / "basis-vec.dat"))


def voxel_grid(context: Context) -> VoxelGrid:
    """The grid of intensity voxels."""
    keys = context.config.section(LatticeKeys)
    return VoxelGrid(lattice(context), keys.VN, keys.gw)


def alone(context: Context) -> Context:
    """`context` for what one rank does while the others wait."""
    return replace(context, ranks=Alone())


def geometry(context: Context) -> Geometry:
    """The experiment, from the keys of [make-detector] or the geometry file that they name."""
    keys = context.config.section(Detector)
    found = flat_geometry(keys) if keys.geometry_file is None else geometry_file(context).geometry
    q_min, q_max = limits(found.wavelength, found.D, keys.Rstop, keys.res_max)
    return replace(found, q_min=q_min, q_max=q_max)


def flat_geometry(keys: Detector) -> Geometry:
    """One flat detector as config.ini describes it; all resolutions."""
    rows, columns, distance, pixel = keys.num_row, keys.num_col, keys.detd, keys.px
    assert rows and columns and distance and pixel and keys.wl and keys.cx is not None and keys.cy is not None  # `Detector` sees to it
    return flat((rows, columns), (keys.cx, keys.cy), distance / pixel, (keys.sx, keys.sy, keys.sz), keys.wl)


def geometry_file(context: Context) -> geom.GeometryFile:
    """The CrystFEL geometry file that config.ini names."""
    keys = context.config.section(Detector)
    assert keys.geometry_file is not None
    path = context.config.path(keys.geometry_file)

    def of_frames(dataset: str) -> float:
        return frame_source(context).container(0).value(dataset)

    return first(context.ranks, lambda: geom.read(path, of_frames, (keys.num_row, keys.num_col), keys.wl, keys.detd))


def pixels(context: Context, shape: tuple[int, int]) -> Pixels:
    """The usable pixels of make-detector, held once per node.

    Parameters
    ----------
    shape : (rows, columns) of the raster, `geometry(context).shape`.
    """
    path = context.home / "make-detector" / "rec-vectors.bin"
    header = first(context.ranks, lambda: rec_vectors.read_header(path))
    table = cache(lambda: rec_vectors.read(path, shape))
    first(context.ranks, lambda: rec_vectors.check_shape(path, pix_map.read_index(path.parent, header.pixels), shape))
    q = share(context.ranks, lambda: table().q)
    polar = share(context.ranks, lambda: table().polar)
    return Pixels(q, polar, share(context.ranks, lambda: table().index), shape)


def lists(context: Context) -> FileLists:
    """Paths of the raw frames and of what is made of each of them, in raw order."""
    count = context.config.section(Frames).num_raw_data
    return first(context.ranks, lambda: file_lists.read(context.home / "make-background", context.home, count))


def frame_source(context: Context) -> FrameSource:
    """The raw frames: those of make-background/cbflist.dat, or, before that is made, those that the key `frames` means. Of one rank."""
    keys = context.config.section(Frames)
    folder = context.home / "make-background"
    if file_lists.exist(folder) or keys.frames is None:
        names = file_lists.read(folder, context.home, keys.num_raw_data).frames
        return FrameSource(names, frame_dataset(context), keys.adu_per_photon)
    return open_frames(Path(keys.frames).expanduser(), context.home, frame_dataset(context), keys.adu_per_photon)


def frame_dataset(context: Context) -> str | None:
    """HDF5 path of the frames, from config.ini or the geometry file; None where neither says it."""
    given = context.config.section(Frames).frame_dataset
    path = context.config.section(Detector).geometry_file
    return given or (geom.dataset(context.config.path(path)) if path else None)
