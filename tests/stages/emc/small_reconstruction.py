"""A working directory that low-res-emc can start in: the small problem of tests/emc/small_emc.py as files."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from fxs_hpc.config import ini
from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.files.emc import basis, candidates, peak_maps, phi, pix_map, quaternions, rec_vectors, sym_op
from fxs_hpc.files.emc.dense_frames import write_dense
from fxs_hpc.files.emc.frame_block import FrameBlock
from fxs_hpc.parallel.communicator import Alone, Communicator
from fxs_hpc.stages.emc.context import Context
from tests.emc import small_emc
from tests.emc.small_emc import SmallEmc

CONFIG = """home_dir = {home}
quat_file = aux/c-quaternion{num_div}.bin
[make-detector]
num_row = {rows}
num_col = {columns}
cx = {cx}
cy = {cy}
Rstop = {stop}
detd = 0.01
px = 1e-4
wl = {wavelength}
res_max = {resolution}
[make-background]
hot_pix_thres = 1e4
qlen = {bins}
[make-powder]
min_patch_sz = 1
max_patch_sz = 30
min_num_peak = 3
max_num_peak = 60
[orient-peak]
res_cutoff = {resolution}
VN = 9
gw = 2.0
[reduce-data]
nproc = 3
mpi_bgfile = Data/mpi-bg_model.bin
mpi_datafile = Data/mpi-datafile.bin
[make-Ematrix]
r2peak_file = Data/mpi-r2peak-low.bin
peak2r_file = Data/mpi-peak2r-low.bin
[low-res-emc]
prob_dir = Data/high-prob
iter_data_block = 2
"""


def make(home: Path, frames: int = 70) -> SmallEmc:
    """Fill `home`; scale factors start at 1, the intensity at random."""
    problem = small_emc.make(frames, seed=5, extra=8)
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.ini").write_text(
        CONFIG.format(
            home=home,
            num_div=small_emc.NUM_DIV,
            rows=small_emc.SHAPE[0],
            columns=small_emc.SHAPE[1],
            cx=small_emc.CENTRE[0],
            cy=small_emc.CENTRE[1],
            stop=small_emc.STOP,
            wavelength=small_emc.WAVELENGTH,
            resolution=small_emc.RESOLUTION,
            bins=small_emc.BINS,
        )
    )
    (home / "make-detector").mkdir()
    rec_vectors.write(home / "make-detector/rec-vectors.bin", problem.pixels, problem.geometry)
    pix_map.write(home / "make-detector", problem.pixels)
    basis.write(home / "aux/basis-vec.dat", problem.reflections.grid.lattice)
    sym_op.write(home / "aux/sym-op.dat", problem.group)
    quaternions.write(
        home / f"aux/c-quaternion{small_emc.NUM_DIV}.bin", len(problem.samples), [(problem.samples[:, :4], problem.samples[:, 4])]
    )
    candidates.write(home / "aux/prob-orien.bin", problem.candidates)
    peak_maps.write(home / "Data/mpi-r2peak-low.bin", [problem.peaks])
    phi.write(home / "aux/start-phi.dat", np.ones(frames), phi.START)
    block = FrameBlock(problem.photons, problem.background, np.arange(frames))
    write_dense(home / "Data/mpi-datafile.bin", home / "Data/mpi-bg_model.bin", [block])
    return problem


def context(home: Path, ranks: Communicator | None = None, threads: int = 1, name: str = "config.ini", **overrides: object) -> Context:
    """A context of the config `name`; what is said is kept in `context.said`."""
    said: list[str] = []
    run = ini.load(home / name)
    run = replace(run, emc={**run.emc, **{key: str(value) for key, value in overrides.items()}})
    made = Context(EmcConfig(run), ranks or Alone(), threads, said.append, "test")
    object.__setattr__(made, "said", said)
    return made


def results(home: Path) -> dict[str, bytes]:
    """Every result file of the run by its path, without those that hold times."""
    folder = home / "Data/high-prob"
    timed = ("state.h5", "history.jsonl", ".lock", "convergence.png")
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in timed
    }
