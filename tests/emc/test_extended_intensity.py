"""Where the high resolution stage starts."""

import lzma

import numpy as np

from fxs_hpc.emc.extended_intensity import extended_intensity
from fxs_hpc.emc.lattice import Lattice, VoxelGrid
from fxs_hpc.emc.reflections import complete_reflections


def test_known_reflections_are_kept_and_new_ones_have_the_scale_of_the_outer():
    grid = VoxelGrid(Lattice(np.diag([24.0, 30, 18])), 15, 2.5)
    low, high = complete_reflections(grid, 0.03, 0.2), complete_reflections(grid, 0.03, 0.3)
    rng = np.random.default_rng(0)
    q = np.linalg.norm(low.positions, axis=1)
    values = np.repeat(1000 * np.exp(-40 * q**2), np.diff(low.first)) * rng.uniform(0.5, 1.5, low.first[-1])
    start = extended_intensity(low, values, high, (7,))
    sums = np.add.reduceat(start, high.first[:-1])
    place = low.numbers(high.hkl)
    known = np.add.reduceat(values, low.first[:-1])
    assert np.array_equal(sums[place >= 0], known[place[place >= 0]])
    outer = known[np.argsort(q, kind="stable")[-low.count // 4 :]].mean()
    assert 0.8 < sums[place < 0].mean() / outer < 1.2
    assert np.all(start[np.repeat(place < 0, np.diff(high.first))] >= 0)


def test_the_reference_program_keeps_the_same_voxels(reference_data):
    base = reference_data / "emc" / "Data" / "high-prob"
    unit = 1.03324 * 0.05504 / 172e-6 * np.linalg.norm([0.002, -0.003, -1])
    grid = VoxelGrid(Lattice(np.diag([24.0, 24, 18])), 15, 2.5)
    low, high = (complete_reflections(grid, 9 / unit, np.ceil(unit / resolution) / unit) for resolution in (4.0, 3.0))
    values, reference = (
        np.frombuffer(lzma.decompress((base / name).read_bytes()))
        for name in ("low-res-recon-0/iter_flag-23/finish_intensity.bin.xz", "high-res-recon-0/start_intensity.bin.xz")
    )
    start = extended_intensity(low, values, high, (1,))
    kept = np.repeat(low.numbers(high.hkl) >= 0, np.diff(high.first))
    assert np.array_equal(start[kept], reference[kept])
