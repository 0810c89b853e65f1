"""CPU time and quality of refine-orientations, on crystals simulated in memory.

    python benchmarks/refine_orientations.py [--cell 24 24 18] [--frames 300] [--side 240] [--distance 320] [--disturbed] [--rounds 4]

One thread. Frames are made by `fxs_hpc.emc.spots` on a square detector of `side` pixels, `distance` pixels from the crystal, wavelength
1.033 A, Laue group 4/mmm, to `--resolution` A; 20 % hold two crystals. Each frame starts from candidates as orient-peak leaves them: some
within `--start-error` of each crystal, among 30 that are wrong; intensities start equal. `--disturbed`: cell 0.3 %, width 0.25,
mosaicity 0.15 degrees, bandwidth 0.3 %, tails 30 %; widths, cells and mosaicity are then refined.

The quality is that against the truth: CC and R of intensities (after one scale), error of orientations of accepted frames with one crystal.
"""

import argparse
import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from fxs_hpc.emc.detector import flat, limits
from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.raster import raster
from fxs_hpc.emc.refinement.common import COMMON, step
from fxs_hpc.emc.refinement.peak_model import PeakShape, lattice_table
from fxs_hpc.emc.refinement.pixels import pixel_table
from fxs_hpc.emc.refinement.rounds import Model, Options, equal_heights, finish, refine_block, rescaled, with_heights
from fxs_hpc.emc.refinement.starts import misorientation
from fxs_hpc.emc.spots import PeakShape as SimulatedShape
from fxs_hpc.emc.spots import add_crystal
from fxs_hpc.emc.symmetry import of_lattice

WAVELENGTH = 1.033
BINS = 40
WELL_KNOWN = 0.3
"""Error of a height that is well known, in units of the mean height."""


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cell", type=float, nargs=3, default=[24.0, 24.0, 18.0], metavar="A")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--side", type=int, default=240)
    parser.add_argument("--distance", type=float, default=320.0)
    parser.add_argument("--resolution", type=float, default=3.0)
    parser.add_argument("--height", type=float, default=12.0, help="mean peak height, photons")
    parser.add_argument("--start-error", type=float, default=2.5, help="largest error of the good candidates, degrees")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--disturbed", action="store_true")
    return parser.parse_args()


class Set:
    """Simulated frames with their truth."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        rng = np.random.default_rng(1)
        self.start_error = chosen.start_error
        centre = chosen.side / 2 + 0.3
        geometry = flat((chosen.side, chosen.side), (centre, centre), chosen.distance, (0, 0, -1), WAVELENGTH)
        q_min, q_max = limits(WAVELENGTH, geometry.D, 8.0, 0.97 * chosen.resolution)
        full = raster(geometry, np.zeros((chosen.side, chosen.side), bool))
        modulus = full.modulus * WAVELENGTH * geometry.D
        usable = np.flatnonzero((modulus >= q_min) & (modulus <= q_max))
        usable = usable[np.argsort(modulus[usable], kind="stable")]
        self.q, self.polar = full.q[usable], full.polar[usable]
        self.bins = np.minimum(modulus[usable] / q_max * BINS, BINS - 1).astype(np.int32)
        self.lattice = Lattice(np.diag(chosen.cell))
        self.group = of_lattice(self.lattice)
        self.sigma = self.lattice.shortest / 15
        unit = geometry.pixel_to_inverse_angstrom
        self.table = lattice_table(self.lattice, self.group.indices, q_min * unit, 1 / chosen.resolution)
        outer = lattice_table(self.lattice, self.group.indices, 0.5 * q_min * unit, 1.05 * q_max * unit)
        heights = rng.exponential(chosen.height, int(outer.unique.max()) + 1)
        centre_index = np.array(outer.lookup.shape) // 2
        self.heights = np.zeros(int(self.table.unique.max()) + 1)
        own = outer.lookup[tuple((np.round(self.table.hkl).astype(int) + centre_index).T)]
        self.heights[self.table.unique] = heights[outer.unique[own]]
        hkl = np.round(outer.hkl).astype(int)
        count = chosen.frames
        self.crystals = np.where(rng.random(count) < 0.2, 2, 1)
        self.rotations = Rotation.random(2 * count, random_state=2).as_matrix().reshape(count, 2, 3, 3)
        self.level = np.linspace(3.5, 1.3, BINS)
        self.photons = np.empty((count, len(usable)), np.int16)
        shape = SimulatedShape(self.sigma, 0.003, 0.3) if chosen.disturbed else SimulatedShape(self.sigma)
        spread = (0.003, 0.25, np.radians(0.15)) if chosen.disturbed else (0.0, 0.0, 0.0)
        for d in range(count):
            signal = np.zeros(chosen.side**2)
            for crystal in range(self.crystals[d]):
                points = hkl @ Lattice(self.lattice.basis * (1 + spread[0] * rng.normal(size=3))).reciprocal.T
                width, mosaicity = np.exp(spread[1] * rng.normal()), spread[2] * np.exp(0.5 * rng.normal())
                scale = np.exp(0.5 * rng.normal())
                add_crystal(signal, full, points, scale * heights[outer.unique], self.rotations[d, crystal], shape, width, mosaicity)
            expected = (self.level[self.bins] + signal[usable]) * self.polar
            self.photons[d] = rng.poisson(expected)
        self.candidates = [self._candidates(rng, d) for d in range(count)]

    def _candidates(self, rng: np.random.Generator, d: int) -> NDArray[np.float64]:
        near = [self._near(rng, self.rotations[d, crystal]) for crystal in range(self.crystals[d]) for _ in range(4)]
        return np.concatenate([np.array(near), Rotation.random(30, random_state=rng).as_matrix()])

    def _near(self, rng: np.random.Generator, rotation: NDArray[np.float64]) -> NDArray[np.float64]:
        axis = rng.normal(size=3)
        axis *= np.radians(rng.uniform(0.2, 1.0) * self.start_error) / np.linalg.norm(axis)
        copy = self.group.proper[rng.integers(len(self.group.proper))]
        return np.asarray(copy @ rotation @ Rotation.from_rotvec(axis).as_matrix())


def agreement(value: NDArray[np.float64], truth: NDArray[np.float64], chosen: NDArray[np.bool_]) -> str:
    """CC and R of the chosen heights after one scale, and their number."""
    value, truth = value[chosen], truth[chosen]
    scale = (value @ truth) / (value @ value)
    return f"{np.corrcoef(value, truth)[0, 1]:.4f} {np.abs(scale * value - truth).sum() / truth.sum():.4f} {len(value):5d}"


def main() -> None:
    """Print the table."""
    chosen = arguments()
    made = Set(chosen)
    options = Options(1 / (chosen.resolution * 4 / 3), 1 / chosen.resolution, start_error=np.radians(chosen.start_error / 2))
    if chosen.disturbed:
        options = Options(
            options.start_limit,
            options.limit,
            start_error=options.start_error,
            cell_spread=0.004,
            width_spread=0.5,
            common=np.arange(COMMON) < 3,
        )
    shape = PeakShape(made.sigma, made.sigma)
    pixels = pixel_table(made.q, made.polar, made.bins)
    model = Model(pixels, made.table, made.group.proper, equal_heights(made.table), shape)
    background = np.tile(made.level, (chosen.frames, 1))
    spacing = made.lattice.shortest * WAVELENGTH * chosen.distance
    signal = (made.photons.sum(axis=1) - (made.level[made.bins] * made.polar).sum()).astype(float)
    print(
        f"{chosen.frames} frames, {len(made.q)} pixels, {len(made.table.hkl)} reflections, {len(made.heights)} sets of equivalents; peaks "
        f"{spacing:.1f} pixels apart, {made.sigma * WAVELENGTH * chosen.distance:.2f} pixels wide; {np.median(signal):.0f} photons of "
        f"crystals per frame; load of the machine {os.getloadavg()[0]:.1f}"
    )
    refine_block(model, options, 0, made.photons[:2], background[:2], None, made.candidates[:2])
    refine_block(model, options, 1, made.photons[:2], background[:2], None, made.candidates[:2])
    found = None
    print("round, CPU ms/frame; all sets seen: CC, R, number; well known: same; accepted; one crystal: error median / 90 %, < 1 deg")
    for number in range(chosen.rounds):
        clock = time.process_time()
        result = refine_block(model, options, number, made.photons, background, found, made.candidates)
        end = finish([result], model, options)
        spent = 1e3 * (time.process_time() - clock) / chosen.frames
        model, found = with_heights(model, end.heights.value), rescaled(result.found, end, 0)
        if options.common.any():
            new_shape, _ = step(result.equations, model.shape, model.geometry, options.common)
            model = Model(pixels, made.table, made.group.proper, model.heights, new_shape) if number else model
        seen = np.isfinite(end.heights.sigma)
        well = seen & (end.heights.sigma < WELL_KNOWN * end.heights.value[seen].mean())
        kept = found.accepted & (made.crystals == 1)
        error = np.degrees(misorientation(found.rotation, made.rotations[:, 0], made.group.proper))[kept]
        print(
            f"{number:5d}  {spent:12.2f}  "
            f"{agreement(end.heights.value, made.heights, seen)}  {agreement(end.heights.value, made.heights, well)}  "
            f"{found.accepted.sum():4d}/{chosen.frames}  {np.median(error):.3f} / {np.quantile(error, 0.9):.3f}, {np.mean(error < 1):.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
