"""CPU time of make-Ematrix on the reference run, beside that of looking at every pixel in every rotation.

    python benchmarks/make_ematrix.py [--pixelwise 300] [--reference ../shared/data] [--repeats 3]

`boxes`: reflections with their boxes of pixels, all 66148 candidate rotations. `stage`: with reading, both maps written and one turned into
the other. `pixelwise`: the definition in a compiled loop over pixels, on some rotations (`--pixelwise n`), scaled to all: what the
reference program does. Maps are compared with the reference's bytes. CPU seconds of one thread, compiled kernels warmed up, the least of
some repeats; the reference program takes 31 s.
"""

import argparse
import lzma
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numba
import numpy as np

from fxs_hpc.config import ini
from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.emc import quaternions
from fxs_hpc.emc.peak_boxes import peak_boxes, sphere
from fxs_hpc.emc.reflections import Reflections, complete_reflections
from fxs_hpc.files.emc import candidates
from fxs_hpc.files.emc import quaternions as quaternion_file
from fxs_hpc.parallel.communicator import Alone
from fxs_hpc.stages.emc import inputs, make_ematrix
from fxs_hpc.stages.emc.context import Context

RESOLUTION = 4.0
MAPS = ("Data/mpi-r2peak-low.bin", "Data/mpi-peak2r-low.bin")


def unpacked(source: Path, home: Path) -> None:
    """What make-Ematrix reads, from the reference run."""
    for folder in ("aux", "make-detector", "Data"):
        (home / folder).mkdir()
    for name in ("make-detector/rec-vectors.bin", "make-detector/rec2pix-map.bin", "aux/prob-orien.bin"):
        (home / name).write_bytes(content(source, name))
    (home / "config.ini").write_text((source / "config.ini").read_text().replace("@WORK@", str(home)))
    (home / "aux/basis-vec.dat").write_bytes((source / "aux/basis-vec.dat").read_bytes())
    quaternion_file.write(home / "aux/c-quaternion17.bin", quaternions.sample_count(17), quaternions.blocks(17))


def content(source: Path, name: str) -> bytes:
    """A file of the reference run."""
    return lzma.decompress((source / f"{name}.xz").read_bytes())


@numba.njit(nogil=True, error_model="numpy")
def pixelwise(matrices, q, row, column, to_hkl, reciprocal, tolerance, lookup):  # type: ignore[no-untyped-def]
    """Number of pairs of a rotation and a reflection that some pixel sees, with their boxes kept on the way."""
    total = 0
    h, x, largest = np.empty(3), np.empty(3), (np.array(lookup.shape) - 1) // 2
    box = np.empty((lookup.max() + 1, 4), np.int64)
    for m in range(matrices.shape[0]):
        box[:, 0] = -1
        for p in range(q.shape[0]):
            for k in range(3):
                x[k] = matrices[m, k, 0] * q[p, 0] + matrices[m, k, 1] * q[p, 1] + matrices[m, k, 2] * q[p, 2]
            for k in range(3):
                h[k] = np.rint(to_hkl[k, 0] * x[0] + to_hkl[k, 1] * x[1] + to_hkl[k, 2] * x[2])
            distance = 0.0
            for k in range(3):
                distance += (x[k] - reciprocal[k, 0] * h[0] - reciprocal[k, 1] * h[1] - reciprocal[k, 2] * h[2]) ** 2
            if distance > tolerance or abs(h[0]) > largest[0] or abs(h[1]) > largest[1] or abs(h[2]) > largest[2]:
                continue
            number = lookup[int(h[0]) + largest[0], int(h[1]) + largest[1], int(h[2]) + largest[2]]
            if number < 0:
                continue
            if box[number, 0] < 0:
                total += 1
                box[number] = np.array([row[p], row[p], column[p], column[p]])
            box[number, 0], box[number, 1] = min(box[number, 0], row[p]), max(box[number, 1], row[p])
            box[number, 2], box[number, 3] = min(box[number, 2], column[p]), max(box[number, 3], column[p])
    return total


def least(repeats: int, function) -> float:  # type: ignore[no-untyped-def]
    """Smallest CPU time of some calls, after one that is not counted."""
    function()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def reflections_of(context: Context) -> tuple[Reflections, float]:
    """Complete reflections, and 1/Angstrom per pixel unit."""
    geometry = inputs.geometry(context)
    unit = geometry.pixel_to_inverse_angstrom
    return complete_reflections(inputs.voxel_grid(context), geometry.q_min * unit, geometry.limit(RESOLUTION) * unit), unit


def measure(home: Path, source: Path, some: int, repeats: int) -> None:
    """Print the times."""
    run = ini.load(home / "config.ini")
    context = Context(EmcConfig(run), Alone(), 1, lambda line: None, "")
    geometry = inputs.geometry(context)
    pixels = inputs.pixels(context, geometry.shape)
    reflections, unit = reflections_of(context)
    count = pixels.prefix(geometry.limit(RESOLUTION))
    visited = candidates.read(home / "aux/prob-orien.bin").visited()
    matrices = quaternions.rotation_matrices(np.array(quaternion_file.mapped(home / "aux/c-quaternion17.bin")[visited, :4]))
    ewald = sphere(pixels, count, geometry.beam, reflections.grid.tolerance / unit)
    boxes = least(repeats, lambda: peak_boxes(matrices, reflections.positions / unit, ewald))
    stage = least(repeats, lambda: make_ematrix.run(context))
    for name in MAPS:
        assert (home / name).read_bytes() == content(source, name), f"{name} differs from the reference"
    lattice, chosen = reflections.grid.lattice, matrices[:: len(matrices) // some]
    row, column = np.divmod(pixels.index[:count], pixels.shape[1])
    tables = (pixels.q[:count] * unit, row, column, np.ascontiguousarray(lattice.basis.T), lattice.reciprocal)
    rest = (reflections.grid.tolerance**2, reflections.lookup)
    slow = least(repeats, lambda: pixelwise(chosen, *tables, *rest)) * len(matrices) / len(chosen)
    print(f"{len(matrices)} rotations, {reflections.count} reflections, {count} pixels: boxes {boxes:.2f} s, stage {stage:.2f} s, ", end="")
    print(f"pixelwise {slow:.1f} s ({slow / stage:.0f} times the stage)")


def main() -> None:
    """Unpack, measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pixelwise", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--reference", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        unpacked(arguments.reference / "emc", Path(folder))
        measure(Path(folder), arguments.reference / "emc", arguments.pixelwise, arguments.repeats)


if __name__ == "__main__":
    main()
