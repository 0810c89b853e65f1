"""A small EMC problem with known truth: a tetragonal crystal, orientations on the samples, photons drawn from the model."""

from dataclasses import dataclass, replace

import numpy as np

from fxs_hpc.emc import detector, quaternions
from fxs_hpc.emc.candidates import Candidates
from fxs_hpc.emc.expansion import DetectorTable, detector_table, raster_order
from fxs_hpc.emc.lattice import Lattice, VoxelGrid
from fxs_hpc.emc.peak_maps import PeakMap
from fxs_hpc.emc.reflections import Reflections, complete_reflections
from fxs_hpc.emc.symmetry import LaueGroup, of_space_group
from fxs_hpc.emc.workload import Model, Workload, workload
from fxs_hpc.files.emc.peak_maps import packed

SHAPE, CENTRE, D, WAVELENGTH, STOP, RESOLUTION = (61, 64), (30.2, 31.7), 100.0, 1.1, 2, 4.0
BINS, NUM_DIV = 8, 4


@dataclass(frozen=True)
class SmallEmc:
    """All that EMC needs, and the truth; photons and background in the order of the usable pixels (rec-vectors)."""

    geometry: detector.Geometry
    pixels: detector.Pixels
    group: LaueGroup
    model: Model
    table: DetectorTable
    order: np.ndarray
    samples: np.ndarray
    peaks: PeakMap
    candidates: Candidates
    photons: np.ndarray
    background: np.ndarray
    phi: np.ndarray
    true: np.ndarray
    intensity: np.ndarray

    @property
    def reflections(self) -> Reflections:
        """The complete reflections."""
        return self.model.reflections

    @property
    def entries(self) -> np.ndarray:
        """The map as it lies in its file."""
        return packed(self.peaks)

    def work(self, first: int = 0, stop: int | None = None, group: LaueGroup | None = None) -> Workload:
        """Workload of some frames."""
        stop = len(self.phi) if stop is None else stop
        edges = self.candidates.first[first : stop + 1]
        own = Candidates(edges - edges[0], self.candidates.rotation[edges[0] : edges[-1]])
        return workload(first, own, self.samples, self.samples[:, 4].sum(), self.entries, self.peaks.first, group or self.group)

    def padded(self) -> np.ndarray:
        """Background with a last column of -1."""
        return np.concatenate([self.background, np.full((len(self.background), 1), -1.0)], axis=1)


def tomogram(problem: SmallEmc, rotation: int, intensity: np.ndarray) -> np.ndarray:
    """W of every usable pixel by the definition, float64[n]; NaN where a pixel is near no reflection."""
    reflections, grid = problem.reflections, problem.reflections.grid
    x = problem.pixels.q * problem.geometry.pixel_to_inverse_angstrom @ quaternions.rotation_matrices(problem.samples[rotation, :4]).T
    number = reflections.numbers(np.rint(x @ np.linalg.inv(grid.lattice.reciprocal).T).astype(int))
    x = x * grid.scale
    near = (number >= 0) & (np.linalg.norm(x - reflections.centres[np.maximum(number, 0)], axis=1) <= grid.support)
    lookup = {(int(k), *v): i for i, (k, v) in enumerate(zip(_owner(reflections), reflections.voxels.tolist()))}
    values = np.full(len(x), np.nan)
    for i in np.flatnonzero(near):
        low = np.floor(x[i]).astype(int)
        values[i] = 0.0
        for step in np.ndindex(2, 2, 2):
            voxel = lookup.get((int(number[i]), *(low + step).tolist()))
            if voxel is not None:
                values[i] += np.prod(1 - np.abs(x[i] - low - step)) * intensity[voxel]
    return values


def _owner(reflections: Reflections) -> np.ndarray:
    return np.repeat(np.arange(reflections.count), np.diff(reflections.first))


def make(frames: int = 40, seed: int = 1, extra: int = 12) -> SmallEmc:
    """A problem of `frames` frames, each with the truth, its images on the samples and `extra` wrong candidates."""
    random = np.random.default_rng(seed)
    geometry = detector.flat(SHAPE, CENTRE, D, (0, 0, -1), WAVELENGTH)
    low, high = detector.limits(WAVELENGTH, D, STOP, RESOLUTION)
    geometry = replace(geometry, q_min=low, q_max=high)
    pixels = detector.usable_pixels(geometry, random.random(SHAPE) < 0.03)
    unit = geometry.pixel_to_inverse_angstrom
    lattice = Lattice(np.diag([20.0, 20.0, 15.0]))
    grid = VoxelGrid(lattice, 9, 2.0)
    reflections = complete_reflections(grid, geometry.q_min * unit, geometry.limit(RESOLUTION) * unit)
    group = of_space_group("P 4/m m m", lattice)
    model = Model.of(reflections, group)
    bins = np.minimum(np.floor(pixels.modulus / (geometry.q_max / BINS)).astype(np.int32), BINS)
    order = raster_order(pixels.index).astype(np.int32)
    table = detector_table(pixels.q * unit * grid.scale, pixels.polar, bins, pixels.index, SHAPE)
    samples = np.column_stack(quaternions.samples(NUM_DIV))
    height = random.exponential(4, model.same.orbits)[model.same.orbit]
    owner = _owner(reflections)
    intensity = height[owner] * np.exp(-np.sum((reflections.voxels - reflections.centres[owner]) ** 2, axis=1) / 2)
    true = random.integers(0, len(samples), frames)
    candidates = Candidates.of_lists([_candidates(random, samples, group, rotation, extra) for rotation in true])
    problem = SmallEmc(
        geometry, pixels, group, model, table, order, samples, peak_map(pixels, geometry, reflections, samples, candidates.visited()),
        candidates, np.empty(0), 0.2 + random.random((frames, BINS)), random.lognormal(0, 0.3, frames), true, intensity,
    )  # fmt: skip
    problem = replace(problem, phi=problem.phi / problem.phi.mean())
    photons = np.stack([_frame(random, problem, frame, bins) for frame in range(frames)])
    background = np.where(random.random((frames, BINS)) < 0.05, -1.0, problem.background)
    return replace(problem, photons=photons, background=background)


def _candidates(random: np.random.Generator, samples: np.ndarray, group: LaueGroup, rotation: int, extra: int) -> np.ndarray:
    seeds = np.concatenate([[rotation], random.integers(0, len(samples), extra)])
    images = quaternions.equivalents(samples[seeds, :4], group.quaternions).reshape(-1, 4)
    distance = 1 - np.abs(images @ samples[:, :4].T)
    nearest = distance.argmin(axis=1)
    return np.unique(np.concatenate([seeds, nearest[distance.min(axis=1) < 1e-9]])).astype(np.int32)


def _frame(random: np.random.Generator, problem: SmallEmc, frame: int, bins: np.ndarray) -> np.ndarray:
    W = np.nan_to_num(tomogram(problem, problem.true[frame], problem.intensity))
    mean = (np.append(problem.background[frame], 0)[bins] + problem.phi[frame] * W) * problem.pixels.polar
    photons = random.poisson(mean).astype(np.int16)
    photons[random.random(len(photons)) < 0.01] = -1
    return photons


def peak_map(
    pixels: detector.Pixels, geometry: detector.Geometry, reflections: Reflections, samples: np.ndarray, wanted: np.ndarray
) -> PeakMap:
    """r2peak by trying all pixels, for the rotations `wanted`."""
    grid, columns = reflections.grid, pixels.shape[1]
    q = pixels.q * geometry.pixel_to_inverse_angstrom
    counts, entries = np.zeros(len(samples), np.int64), []
    for rotation in wanted.tolist():
        x = q @ quaternions.rotation_matrices(samples[rotation, :4]).T
        number = reflections.numbers(np.rint(x @ np.linalg.inv(grid.lattice.reciprocal).T).astype(int))
        near = (number >= 0) & (np.linalg.norm(x - reflections.positions[np.maximum(number, 0)], axis=1) <= grid.tolerance)
        for k in np.unique(number[near]):
            row, column = np.divmod(pixels.index[near & (number == k)], columns)
            entries.append((k, row.min() * columns + column.min(), row.max() * columns + column.max()))
            counts[rotation] += 1
    return PeakMap(np.concatenate([[0], np.cumsum(counts)]), np.array(entries, np.int32).reshape(-1, 3))
