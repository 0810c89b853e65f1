"""The reference run's inputs of EMC, as the numerics take them."""

import lzma
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fxs_hpc.emc.candidates import Candidates
from fxs_hpc.emc.detector import Pixels
from fxs_hpc.emc.expansion import DetectorTable, detector_table, raster_order
from fxs_hpc.emc.lattice import Lattice, VoxelGrid
from fxs_hpc.emc.quaternions import samples
from fxs_hpc.emc.reflections import complete_reflections
from fxs_hpc.emc.symmetry import of_matrices
from fxs_hpc.emc.work_blocks import work_blocks
from fxs_hpc.emc.workload import Model, Workload, distinct, workload
from fxs_hpc.files.emc import candidates, peak_maps, sym_op
from fxs_hpc.parallel.communicator import Alone
from fxs_hpc.stages.emc.emc_engine import Engine, Task
from fxs_hpc.stages.emc.frame_stream import FrameStream
from fxs_hpc.stages.emc.stopwatch import Stopwatch

SHAPE, D, WAVELENGTH, BINS, NUM_DIV = (240, 250), 320 * np.sqrt(1 + 0.002**2 + 0.003**2), 1.03324, 40, 17
LOW = "Data/high-prob/low-res-recon-0"


@dataclass(frozen=True)
class Source:
    """Frames of the dense file."""

    photons: np.ndarray
    background: np.ndarray
    bins: int = BINS

    @property
    def count(self) -> int:
        """Frames."""
        return len(self.photons)

    @property
    def pixels(self) -> int:
        """Pixels of a frame."""
        return self.photons.shape[1]

    def read_photons(self, first, stop, pixels=None):
        """As `ReducedFrames`."""
        return self.photons[first:stop, :pixels]

    def read_background(self, first, stop):
        """As `ReducedFrames`."""
        return self.background[first:stop]


def read(folder: Path, name: str) -> bytes:
    """Content of a file of the reference run."""
    packed = folder / f"{name}.xz"
    return lzma.decompress(packed.read_bytes()) if packed.exists() else (folder / name).read_bytes()


def numbers(folder: Path, name: str, dtype: str, offset: int = 0) -> np.ndarray:
    """A binary file."""
    return np.frombuffer(read(folder, name)[offset:], dtype)


def text(folder: Path, name: str) -> np.ndarray:
    """A text file of numbers, as one row each."""
    return np.array([line.split() for line in read(folder, name).decode().splitlines() if line.strip()], float)


def high_p(folder: Path, name: str, frames: int = 468) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rotations and probabilities of all frames of one flag."""
    found = []
    for part in range(2):
        lines = read(folder, f"{name}/high_p-{part}.dat").decode().split("\n")
        words = [line.split() for line in lines[3::2][: int(lines[0])]]
        found += [(np.array(row[::2], int), np.array(row[1::2], float)) for row in words]
    assert len(found) == frames
    return found


def task(folder: Path, tmp: Path, rules, single: bool, half: int | None = None) -> Task:
    """The low resolution stage of all frames.

    Parameters
    ----------
    single : bool
        Quaternions in single precision, as the reference keeps them, and a likelihood of its own for every candidate: what makes equivalent
        rotations of the reference differ by up to 3e-4 in their probabilities.
    half : 0, 1 or None
        Frames 0, 2, 4 ... or 1, 3, 5 ... alone.
    """
    header = numbers(folder, "make-detector/rec-vectors.bin", "<i4")[:3]
    records = numbers(folder, "make-detector/rec-vectors.bin", "<f8", 12).reshape(-1, 4)
    pixels = Pixels(records[:, :3].copy(), records[:, 3].copy(), numbers(folder, "make-detector/rec2pix-map.bin", "<i4").copy(), SHAPE)
    limit, unit = np.ceil(WAVELENGTH * D / 4.0), 1 / (WAVELENGTH * D)
    count = pixels.prefix(limit)
    grid = VoxelGrid(Lattice(np.loadtxt(folder / "aux/basis-vec.dat")), 15, 2.5)
    group = of_matrices(sym_op.read_matrices(folder / "aux/sym-op.dat"), grid.lattice)
    model = Model.of(complete_reflections(grid, header[1] * unit, limit * unit), group)
    table = detector(pixels, count, int(header[0]), unit * grid.scale)
    for name in ("aux/prob-orien.bin", "Data/mpi-r2peak-low.bin"):
        (tmp / Path(name).name).write_bytes(read(folder, name))
    found = candidates.read(tmp / "prob-orien.bin")
    kept = slice(half, None, 2) if half is not None else slice(None)
    found = Candidates.of_lists([found[frame] for frame in range(len(found))][kept])
    quaternions, weights = samples(NUM_DIV)
    rows = np.column_stack([quaternions.astype(np.float32) if single else quaternions, weights])
    work = rank_work(tmp, found, rows, group if not single else None, group)
    background = numbers(folder, "Data/mpi-bg_model.bin", "<f8").reshape(-1, BINS)
    photons = numbers(folder, "Data/mpi-datafile.bin", "<i2").reshape(len(background), -1)[kept]
    background = background[kept]
    edges = work_blocks(found.counts)
    stream = FrameStream(Source(photons, background), raster_order(pixels.index[:count]).astype(np.int32), edges[[0, 6, len(edges) - 1]])
    padded = np.concatenate([background, np.full((len(background), 1), -1.0)], axis=1)
    return Task(model, table, work, padded, edges, np.array([0, len(edges) - 1]), stream, rules)


def detector(pixels: Pixels, count: int, q_max: int, scale: float) -> DetectorTable:
    """Pixels of the low resolution stage."""
    bins = np.floor(pixels.modulus[:count] / (q_max / BINS)).astype(np.int32)
    return detector_table(pixels.q[:count] * scale, pixels.polar[:count], np.minimum(bins, BINS), pixels.index[:count], SHAPE)


def rank_work(tmp: Path, found: Candidates, rows: np.ndarray, shared, group) -> Workload:
    """Work on all frames; with `shared` None every candidate has its own likelihood."""
    r2peak = tmp / "mpi-r2peak-low.bin"
    made = workload(0, found, rows, rows[:, 4].sum(), peak_maps.mapped(r2peak), peak_maps.index(r2peak), group)
    return made if shared is not None else distinct(made)


def engine(made: Task) -> Engine:
    """The engine on one rank."""
    return Engine(made, Alone(), 1, Stopwatch())
