"""Simulated patterns, and truth.h5 beside them: the object, its invariants, and how each pattern came about.

Patterns
--------
raw : pattern_<number>.raw, little-endian float32 each
hdf5 : patterns_<number>.h5, some hundred patterns each, in the layout of CXI: entry_1/data_1/data (n, rows, columns) u2 or u4,
    entry_1/data_1/mask (rows, columns) u4, 1 = not usable

truth.h5
--------
dimensions, radial_points, angular_points (empty), xray_wavelength, average_intensity, number_of_particles : as in ccd.h5, in the units of
    the patterns: photons in a pixel on the axis
deg_2_invariant/I1I1 (L+1, n, n) : exact B_l of the patterns in those units, f8; that of order 0 is 4 pi <I><I>. In 2D B_n, c16; <I><I>
model/ : the object (see `fxs_hpc.files.ccd`)
patterns/orientations (n, most, 4) f8 : unit quaternions, scalar first, NaN where a pattern has fewer particles; in 2D about the beam
patterns/energies, patterns/n_particles (n,)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.files.atomic import replacing
from fxs_hpc.files.ccd import write_model, write_points
from fxs_hpc.files.pattern_lists import write_raw
from fxs_hpc.fluctuation.correlation import CrossCorrelation
from fxs_hpc.fluctuation.plane_shapes import PlaneModel
from fxs_hpc.fluctuation.shapes import Model

DATA = "entry_1/data_1/data"
MASK = "entry_1/data_1/mask"
TRUTH = "truth.h5"


def raw_path(folder: Path, number: int) -> Path:
    """File of a pattern in format raw."""
    return folder / f"pattern_{number:06d}.raw"


def stack_path(folder: Path, block: int) -> Path:
    """File of a block of patterns in format hdf5."""
    return folder / f"patterns_{block:05d}.h5"


def write_pattern(path: Path, image: NDArray[np.float32]) -> None:
    """Write one raw pattern, whole or not at all; it can be made again, so that nothing waits for the disk."""
    temporary = path.with_suffix(".raw.tmp")
    write_raw(temporary, image)
    temporary.replace(path)


def write_stack(path: Path, images: Sequence[NDArray[np.float32]], usable: NDArray[np.bool_]) -> None:
    """Write patterns of whole photons into one file."""
    largest = max(float(image.max()) for image in images)
    kind = np.uint16 if largest < np.iinfo(np.uint16).max else np.uint32
    shape = images[0].shape
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        options = {"chunks": (1, *shape), "compression": "gzip", "compression_opts": 1, "shuffle": True}
        data = file.create_dataset(DATA, (len(images), *shape), kind, **options)
        for number, image in enumerate(images):
            data[number] = image.astype(kind)
        file.create_dataset(MASK, data=(~usable).astype(np.uint32), compression="gzip")


@dataclass(frozen=True)
class PatternTruth:
    """How the patterns came about: orientations (n, most, 4), energies (n,), n_particles (n,)."""

    orientations: NDArray[np.float64]
    energies: NDArray[np.float64]
    n_particles: NDArray[np.int64]


def write_truth(path: Path, data: CrossCorrelation, model: Model | PlaneModel, patterns: PatternTruth) -> None:
    """Write truth.h5."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        write_points(file, data, "photons in a pixel on the axis")
        file["deg_2_invariant/I1I1"] = np.asarray(data.invariants)
        write_model(file, model)
        for name in ("orientations", "energies", "n_particles"):
            file[f"patterns/{name}"] = getattr(patterns, name)


def read_truth(path: Path) -> CrossCorrelation:
    """The exact mean intensity and invariants of simulated patterns; `correlation` is empty."""
    with h5py.File(path) as file:
        return CrossCorrelation(
            dimensions=int(file["dimensions"][()]),
            q=file["radial_points"][()],
            delta=file["angular_points"][()],
            wavelength=float(file["xray_wavelength"][()]),
            average_intensity=file["average_intensity"][()],
            invariants=file["deg_2_invariant/I1I1"][()],
            n_particles=float(file["number_of_particles"][()]),
        )
