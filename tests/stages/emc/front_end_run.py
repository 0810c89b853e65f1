"""A working directory with raw frames of a small detector that has a dead row and known spots."""

from dataclasses import replace
from pathlib import Path

import fabio
import numpy as np

from fxs_hpc.config import ini
from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.emc.detector import flat
from fxs_hpc.parallel.communicator import Alone
from fxs_hpc.stages.emc.context import Context

SHAPE = (60, 64)
CENTRE = (29.2, 31.7)
DISTANCE = 90.0
KEYS = """home_dir = .
[make-detector]
num_row = 60
num_col = 64
cx = 29.2
cy = 31.7
Rstop = 4
detd = 0.009
px = 100e-6
wl = 1.0
res_max = 3.2
[make-background]
hot_pix_thres = 5000
qlen = 10
[make-powder]
min_patch_sz = 2
max_patch_sz = 40
min_num_peak = 2
max_num_peak = 20
"""


def frames(count: int, seed: int = 0) -> np.ndarray:
    """int32 (count, 60, 64): background and, in every frame but each fourth, 5 spots; row 40 is dead."""
    random = np.random.default_rng(seed)
    geometry = flat(SHAPE, CENTRE, DISTANCE, (0, 0, -1), 1.0)
    rows, columns = np.indices(SHAPE)
    modulus = np.hypot(rows - CENTRE[0], columns - CENTRE[1]) / geometry.D
    made = random.poisson(4 * np.exp(-modulus / 0.2), (count, *SHAPE)).astype(np.int32)
    for number in range(count):
        for _ in range(5 if number % 4 else 0):
            row, column = random.uniform(12, 50, 2)
            made[number] += random.poisson(60 * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 2)).astype(np.int32)
    made[:, 40] = -1
    return made


def write_cbf(folder: Path, counts: np.ndarray) -> None:
    """One CBF for each frame, sim_00000.cbf and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(counts):
        fabio.cbfimage.CbfImage(data=frame).write(str(folder / f"sim_{number:05d}.cbf"))


def write_config(home: Path, **changes: object) -> Path:
    """config.ini with some keys changed; None takes a key away."""
    changes.setdefault("frames", "raw/run1/*.cbf")
    lines = [line for line in KEYS.splitlines() if line.split(" = ")[0] not in changes]
    lines += [f"{key} = {value}" for key, value in changes.items() if value is not None]
    (home / "config.ini").write_text("\n".join(lines) + "\n")
    return home / "config.ini"


def context(home: Path, **changes: object) -> tuple[Context, list[str]]:
    """A context of one rank with a fresh config.ini, and what is said in it."""
    said: list[str] = []
    config = ini.load(write_config(home, **changes))
    return Context(EmcConfig(replace(config, home=home)), Alone(), 1, said.append, "test"), said
