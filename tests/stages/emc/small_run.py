"""A working directory as the stages before reduce-data leave it, small enough to check by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from fxs_hpc.config import ini
from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.emc import detector, quaternions
from fxs_hpc.emc.peaks import PeakPatches
from fxs_hpc.files.emc import candidates, file_lists, peaks, pix_map, radial_background, rec_vectors, simulated_frames
from fxs_hpc.files.emc import quaternions as quaternion_file
from fxs_hpc.parallel.communicator import Alone
from fxs_hpc.stages.emc.context import Context

CONFIG = """home_dir = {home}
quat_file = aux/c-quaternion1.bin
[make-detector]
num_row = 20
num_col = 24
cx = 9.3
cy = 11.6
Rstop = 2
detd = 0.01
px = 200e-6
wl = 1.1
res_max = 6
[make-background]
num_raw_data = {frames}
hot_pix_thres = 200
qlen = {bins}
[make-powder]
min_patch_sz = 2
max_patch_sz = 3
min_num_peak = 3
max_num_peak = 60
[orient-peak]
res_cutoff = 6
VN = 15
gw = 2.5
[reduce-data]
nproc = {ranks}
mpi_bgfile = Data/mpi-bg_model.bin
mpi_datafile = Data/mpi-datafile.{suffix}
[low-res-emc]
prob_dir = Data/high-prob
"""
BINS = 5


def context(home: Path, **overrides) -> Context:
    """A context of one rank; what is said is kept in `context.said`."""
    said: list[str] = []
    run = ini.load(home / "config.ini")
    run = replace(run, emc={**run.emc, **{key: str(value) for key, value in overrides.items()}})
    made = Context(EmcConfig(run), Alone(), 1, said.append, "test")
    object.__setattr__(made, "said", said)
    return made


def make(home: Path, frames: int = 41, ranks: int = 3, suffix: str = "h5", seed: int = 0) -> dict:
    """Fill `home`; returns counts [frames, rows * columns], candidates, patches, backgrounds and the pixel index."""
    random = np.random.default_rng(seed)
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.ini").write_text(CONFIG.format(home=home, frames=frames, bins=BINS, ranks=ranks, suffix=suffix))
    geometry = detector.flat((20, 24), (9.3, 11.6), 50.0, (0, 0, -1), 1.1)
    low, high = detector.limits(1.1, 50.0, 2, 6)
    geometry = replace(geometry, q_min=low, q_max=high)
    pixels = detector.usable_pixels(geometry, random.random((20, 24)) < 0.05)
    folder = home / "make-detector"
    rec_vectors.write(folder / "rec-vectors.bin", pixels, geometry)
    pix_map.write(folder, pixels)
    quaternion_file.write(home / "aux/c-quaternion1.bin", 60, quaternions.blocks(1))
    made = {"index": pixels.index, "counts": [], "candidates": [], "patches": [], "background": []}
    _frames(home, made, frames, random)
    lists = file_lists.named([str(simulated_frames.cbf_path(home / "input/run1", frame)) for frame in range(frames)], home / "Data")
    _results(home, made, lists)
    return made


def _frames(home: Path, made: dict, frames: int, random: np.random.Generator) -> None:
    (home / "input/run1").mkdir(parents=True)
    for frame in range(frames):
        counts = random.poisson(random.choice([0.03, 2.0]), (20, 24)).astype(np.int32)
        counts.ravel()[random.integers(0, 480, 4)] = [-2, 201, 200, 10**6]
        simulated_frames.write_cbf(home / "input/run1", frame, counts)
        first = np.cumsum([0, *random.integers(2, 6, random.integers(1, 5))])
        pixel = random.choice(made["index"], first[-1], replace=False).astype(np.int32)
        made["counts"].append(counts.ravel())
        made["patches"].append(PeakPatches(pixel, counts.ravel()[pixel], first.astype(np.int64)))
        number = random.choice([0, 1, 3, 7, 20])
        made["candidates"].append(np.sort(random.choice(60, number, replace=False)).astype(np.int32))
        made["background"].append(np.where(random.random(BINS) < 0.2, -1.0, random.random(BINS)))


def _results(home: Path, made: dict, lists: file_lists.FileLists) -> None:
    for folder in lists.folders():
        folder.mkdir(parents=True, exist_ok=True)
    file_lists.write(home / "make-background", lists)
    for frame in range(len(lists)):
        Path(lists.peak[frame]).write_text(peaks.text(made["patches"][frame]))
        Path(lists.radial[frame]).write_bytes(radial_background.content(made["background"][frame]))
        found = made["candidates"][frame]
        candidates.write_frame(Path(lists.orientation[frame]), candidates.Explained(found, np.ones(len(found), np.int32), 3))
        if not len(found):  # an earlier search may have left a file
            Path(lists.orientation[frame]).write_text("1\n5\n")
    candidates.write_counts(home / "orient-peak/num_prob_orien.dat", [len(found) for found in made["candidates"]])
