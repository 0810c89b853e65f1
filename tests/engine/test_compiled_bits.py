"""The process that compiles the kernels computes the same bits as those that load them from disk."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import hashlib
import numpy as np
from fxs_hpc.engine import azimuth
from fxs_hpc.engine.layout import zeros
length = 32
density = zeros((1, 2, 4, length, 16), np.float64)
density[...] = np.random.default_rng(0).random(density.shape)
spectrum, work = zeros((1, 2, 4, 8, 2, 16), np.float64), zeros((azimuth.work_size(length),), np.float64)
kernel = azimuth.analyse_density(length)
kernel(density, spectrum, work)
print(hashlib.sha256(spectrum.tobytes()).hexdigest(), sum(kernel.stats.cache_misses.values()))
"""


def test_compiled_and_loaded_kernels_agree_to_the_bit(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    runs = [
        subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    ]
    assert [misses for _, misses in runs] == ["1", "0"]
    assert runs[0][0] == runs[1][0]
