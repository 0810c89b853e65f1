"""A working directory as reduce-data leaves it, of simulated crystals whose true orientations are known.

Peaks are Gaussian at every lattice point, summed by brute force: each pixel looks at the lattice point nearest to it.
"""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from fxs_hpc.emc import detector, quaternions
from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.quaternions import rotation_matrices
from fxs_hpc.emc.refinement.starts import misorientation
from fxs_hpc.emc.symmetry import LaueGroup, of_lattice
from fxs_hpc.files.emc import basis, candidates, file_lists, pix_map, radial_background, rec_vectors, simulated_frames, sym_op
from fxs_hpc.files.emc import quaternions as quaternion_file

SIDE, DISTANCE, WAVELENGTH, BINS, NUM_DIV = 97, 120.0, 1.0, 12, 7
CONFIG = """home_dir = {home}
quat_file = aux/c-quaternion{num_div}.bin
[make-detector]
num_row = {side}
num_col = {side}
cx = 47.3
cy = 49.1
Rstop = 5
detd = 0.024
px = 200e-6
wl = {wavelength}
res_max = 2.6
[make-background]
num_raw_data = {frames}
hot_pix_thres = 2000
qlen = {bins}
[orient-peak]
res_cutoff = 3.4
VN = 9
gw = 2.5
[reduce-data]
nproc = 1
mpi_datafile = Data/mpi-datafile.bin
mpi_bgfile = Data/mpi-bg_model.bin
[low-res-emc]
prob_dir = Data/high-prob
prob_orien_file = aux/prob-orien.bin
[refine-orientations]
peak_width = {width}
start_error = 4
refine_block = 16
mask_hot_pixels = no
fit_peak_shape = no
"""


class Crystals(NamedTuple):
    """Truth: orientations float64[n, 3, 3], peak height of each of hkl int64[m, 3], and the groups of crystal and lattice."""

    rotations: NDArray[np.float64]
    hkl: NDArray[np.int64]
    heights: NDArray[np.float64]
    group: LaueGroup
    whole: LaueGroup


def make(home: Path, lattice: Lattice, group: LaueGroup, frames: int, symmetric: bool = False, seed: int = 1) -> Crystals:
    """Fill `home`. sym-op.dat is that of `group`; candidates are in a random one of the ways that the lattice allows.

    symmetric : the intensities have all the symmetry of the lattice, so that nothing tells the ways apart.
    """
    random = np.random.default_rng(seed)
    whole, width = of_lattice(lattice), lattice.shortest / 9
    home.mkdir(parents=True, exist_ok=True)
    values = {"home": home, "side": SIDE, "wavelength": WAVELENGTH, "frames": frames, "bins": BINS, "width": width, "num_div": NUM_DIV}
    (home / "config.ini").write_text(CONFIG.format(**values))
    geometry = detector.flat((SIDE, SIDE), (47.3, 49.1), DISTANCE, (0, 0, -1), WAVELENGTH)
    low, high = detector.limits(WAVELENGTH, DISTANCE, 5, 2.6)
    geometry = replace(geometry, q_min=low, q_max=high)
    pixels = detector.usable_pixels(geometry, np.zeros((SIDE, SIDE), bool))
    rec_vectors.write(home / "make-detector/rec-vectors.bin", pixels, geometry)
    pix_map.write(home / "make-detector", pixels)
    basis.write(home / "aux/basis-vec.dat", lattice)
    sym_op.write(home / "aux/sym-op.dat", group)
    rotations = Rotation.random(frames, random_state=seed).as_matrix()
    truth = Crystals(rotations, *_heights(lattice, whole if symmetric else group), group, whole)
    signals = [_signal(truth, rotation, pixels, geometry, lattice, width) for rotation in rotations]
    counts = random.poisson([pixels.polar * (1.0 + signal) for signal in signals])
    (home / "Data").mkdir()
    counts.astype(np.int16).tofile(home / "Data/mpi-datafile.bin")
    np.ones((frames, BINS)).tofile(home / "Data/mpi-bg_model.bin")
    (home / "reduce-data").mkdir()
    (home / "reduce-data/reduced-data_id.dat").write_text("\n".join(map(str, [frames, *range(frames)])) + "\n")
    quaternion_file.write(home / f"aux/c-quaternion{NUM_DIV}.bin", quaternions.sample_count(NUM_DIV), quaternions.blocks(NUM_DIV))
    samples = rotation_matrices(quaternions.samples(NUM_DIV)[0])
    near = [_nearest(samples, whole.proper[random.integers(len(whole.proper))] @ rotation) for rotation in truth.rotations]
    lists = [np.sort(np.append(random.choice(len(samples), 4, replace=False), number)).astype(np.int32) for number in near]
    candidates.write(home / "aux/prob-orien.bin", candidates.Candidates.of_lists(lists))
    return truth


def leave_out(home: Path, lattice: Lattice, truth: Crystals, blank: int, seed: int = 2) -> NDArray[np.float64]:
    """Raw frames that reduce-data has left out, numbered behind the others: as many with a crystal, whose orientations are returned, as
    `blank` ones after them. The raw frames of the others are blank, for nobody reads them."""
    random, width = np.random.default_rng(seed), lattice.shortest / 9
    kept, rotations = len(truth.rotations), Rotation.random(blank, random_state=seed).as_matrix()
    header = rec_vectors.read(home / "make-detector/rec-vectors.bin", (SIDE, SIDE))
    geometry = detector.flat((SIDE, SIDE), (47.3, 49.1), DISTANCE, (0, 0, -1), WAVELENGTH)
    lists = file_lists.named([str(simulated_frames.cbf_path(home / "raw", number)) for number in range(kept + 2 * blank)], home / "Data")
    file_lists.write(home / "make-background", lists)
    for folder in (home / "raw", *lists.folders()):
        folder.mkdir(parents=True, exist_ok=True)
    for number in range(kept + 2 * blank):
        signal = np.zeros(len(header))
        if kept <= number < kept + blank:
            signal = _signal(truth, rotations[number - kept], header, geometry, lattice, width)
        counts = np.zeros(SIDE**2, np.int32)
        counts[header.index] = random.poisson(header.polar * (1.0 + signal))
        simulated_frames.write_cbf(home / "raw", number, counts.reshape(SIDE, SIDE))
        Path(lists.radial[number]).write_bytes(radial_background.content(np.ones(BINS)))
    path = home / "config.ini"
    path.write_text(path.read_text().replace(f"num_raw_data = {kept}", f"num_raw_data = {kept + 2 * blank}"))
    return rotations


def error(truth: Crystals, rotations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Degrees between `rotations` and the truth, in the way of indexing of the whole crystal that suits most frames."""
    ways = [np.degrees(misorientation(way @ truth.rotations, rotations, truth.group.proper)) for way in truth.whole.proper]
    return min(ways, key=np.median)


def _nearest(samples: NDArray, rotation: NDArray) -> int:
    return int(np.argmax(np.einsum("nij,ij->n", samples, rotation)))


def _heights(lattice: Lattice, group: LaueGroup) -> tuple[NDArray, NDArray]:
    """A random height for each set of equivalents."""
    largest = np.ceil(0.45 * np.linalg.norm(lattice.basis, axis=0)).astype(int)
    hkl = np.stack(np.meshgrid(*(np.arange(-m, m + 1) for m in largest), indexing="ij"), -1).reshape(-1, 3)
    images = np.concatenate([hkl @ np.concatenate([group.indices, -group.indices]).transpose(0, 2, 1)])
    _, number = np.unique(np.max((images + 50) @ [10**6, 10**3, 1], axis=0), return_inverse=True)
    return hkl, np.random.default_rng(5).exponential(60, number.max() + 1)[number]


def _signal(
    truth: Crystals, rotation: NDArray, pixels: detector.Pixels, geometry: detector.Geometry, lattice: Lattice, width: float
) -> NDArray[np.float64]:
    """Expected photons of a crystal in the usable pixels, for polar = 1."""
    x = pixels.q * geometry.pixel_to_inverse_angstrom @ rotation.T
    hkl = np.round(x @ lattice.basis).astype(int)
    table = np.zeros(tuple(2 * truth.hkl.max(axis=0) + 1))
    table[tuple((truth.hkl + truth.hkl.max(axis=0)).T)] = truth.heights
    largest = truth.hkl.max(axis=0)
    inside = np.all(np.abs(hkl) <= largest, axis=1)
    height = np.where(inside, table[tuple(np.where(inside[:, None], hkl + largest, 0).T)], 0.0)
    e = x - hkl @ lattice.reciprocal.T
    return np.asarray(height * np.exp(-np.sum(e**2, axis=1) / (2 * width**2)))
