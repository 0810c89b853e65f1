"""The shared reference set: 468 reduced frames of a tetragonal crystal with their truth."""

import lzma
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.quaternions import rotation_matrices, samples
from fxs_hpc.emc.refinement.peak_model import PeakShape, index_operators, lattice_table
from fxs_hpc.emc.refinement.pixels import pixel_table
from fxs_hpc.emc.refinement.rounds import Model, equal_heights
from fxs_hpc.emc.refinement.starts import misorientation

WAVELENGTH, DISTANCE = 1.03324, 0.05504 / 172e-6 * np.sqrt(1 + 0.002**2 + 0.003**2)
BINS = 40


def _unpacked(path: Path) -> bytes:
    return lzma.decompress(Path(f"{path}.xz").read_bytes())


class Reference:
    """Frames in reduced order, candidates, truth."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        vectors = _unpacked(folder / "make-detector" / "rec-vectors.bin")
        largest, smallest, count = np.frombuffer(vectors[:12], "i4")
        vectors = np.frombuffer(vectors[12:], "f8").reshape(count, 4)
        unit = 1 / (WAVELENGTH * DISTANCE)
        self.q, self.polar = vectors[:, :3] * unit, np.ascontiguousarray(vectors[:, 3])
        self.bins = np.floor(np.linalg.norm(vectors[:, :3], axis=1) / (largest / BINS)).astype(np.int32)
        self.bins[self.bins >= BINS] = -1
        self.photons = np.frombuffer(_unpacked(folder / "Data" / "mpi-datafile.bin"), "i2").reshape(-1, count)
        self.background = np.frombuffer(_unpacked(folder / "Data" / "mpi-bg_model.bin"), "f8").reshape(-1, BINS)
        self.raw = np.loadtxt(folder / "reduce-data" / "reduced-data_id.dat", dtype=int)[1:]
        truth = np.load(folder / "truth.npz")
        self.kind = truth["kind"][self.raw]
        self.rotations = rotation_matrices(truth["quats"][self.raw, 0])
        self.second = rotation_matrices(np.where(truth["phi"][self.raw, 1, None] > 0, truth["quats"][self.raw, 1], [1.0, 0, 0, 0]))
        self.lattice = Lattice(np.loadtxt(folder / "aux" / "basis-vec.dat"))
        self.operators = np.loadtxt(folder / "aux" / "sym-op.dat", skiprows=1).reshape(-1, 3, 3)
        self.proper = self.operators[np.linalg.det(self.operators) > 0]
        self.table = lattice_table(self.lattice, index_operators(self.lattice, self.operators), smallest * unit, 1 / 3.0)
        self.sigma = float(truth["sigma"])
        hkl = self.table.hkl.astype(int) + truth["hm"]
        self.heights = np.zeros(int(self.table.unique.max()) + 1)
        self.heights[self.table.unique] = truth["F2"][tuple(hkl.T)]
        self._candidates = np.frombuffer(_unpacked(folder / "aux" / "prob-orien.bin"), "i4")

    @property
    def single(self) -> NDArray:
        return self.kind == 1

    def candidates(self) -> list[NDArray]:
        matrices, found, at = rotation_matrices(samples(17)[0]), [], 0
        while at < len(self._candidates):
            count = self._candidates[at]
            found.append(matrices[self._candidates[at + 1 : at + 1 + count]])
            at += 1 + count
        return found

    def model(self) -> Model:
        pixels = pixel_table(self.q, self.polar, self.bins)
        return Model(pixels, self.table, self.proper, equal_heights(self.table), PeakShape(self.sigma, self.sigma))

    def errors(self, rotations: NDArray, of: NDArray | None = None) -> NDArray:
        """Degrees between found and true orientations modulo the point group."""
        return np.degrees(misorientation(rotations, self.rotations if of is None else of, self.proper))

    def low_resolution(self) -> tuple[list[NDArray], NDArray]:
        """What the grid program leaves at 4 Angstrom: the most probable orientation of each frame, and heights (0 beyond)."""
        matrices, chosen = rotation_matrices(samples(17)[0]), []
        folder = self.folder / "Data" / "high-prob" / "low-res-recon-0"
        for rank in (0, 1):
            lines = (folder / "iter_flag-24" / f"high_p-{rank}.dat").read_text().split("\n")
            chosen += [matrices[[int(line.split()[0])]] for line in lines[3::2] if line]
        heights, count = np.zeros((2, len(self.heights)))
        for h, k, l, value in np.loadtxt(folder / "iter_flag-23" / "hkl-val.dat", skiprows=1):
            u = self.table.unique[self.table.lookup[tuple(np.array([h, k, l], int) + np.array(self.table.lookup.shape) // 2)]]
            heights[u] += value
            count[u] += 1
        return chosen, np.divide(heights, count, out=np.zeros_like(heights), where=count > 0)

    def thinned(self, keep: float, seed: int) -> tuple[NDArray, NDArray]:
        """Photons thinned binomially, and the background that goes with them."""
        rng = np.random.default_rng(seed)
        background = np.where(self.background > 0, self.background * keep, self.background)
        return rng.binomial(self.photons, keep).astype(np.int16), background


@cache
def reference(folder: Path) -> Reference:
    """The set, read once."""
    return Reference(folder)


class Quality:
    """Merged heights against the truth: correlation, R after one scale, the same per equal-count shell."""

    def __init__(self, heights: NDArray, truth: NDArray, modulus: NDArray, shells: int = 6) -> None:
        self.scale = (heights @ truth) / (heights @ heights)
        self.correlation = float(np.corrcoef(heights, truth)[0, 1])
        self.r = float(np.abs(self.scale * heights - truth).sum() / truth.sum())
        order = np.array_split(np.argsort(modulus, kind="stable"), shells)
        self.shells = [float(np.corrcoef(heights[o], truth[o])[0, 1]) for o in order]
        ratio = [heights[o].sum() / truth[o].sum() for o in order]
        self.fall_off = float(ratio[-1] / ratio[0])


def quality(reference: Reference, value: NDArray, sigma: NDArray) -> Quality:
    """Of the sets of equivalents that were seen."""
    modulus = np.zeros(len(value))
    modulus[reference.table.unique] = reference.table.modulus
    seen = np.isfinite(sigma)
    assert seen.all()
    return Quality(value[seen], reference.heights[seen], modulus[seen])
