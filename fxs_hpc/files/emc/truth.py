"""truth.h5 and truth.npz: what simulated frames show. One set of names for both forms.

n frames, two places for crystals in each
------------------------------------------
kind i8[n] : 0 background alone, 1 one crystal, 2 two crystals, 3 something else
quats f8[n, 2, 4] : unit quaternions of the crystals, laboratory to crystal; phi f8[n, 2] : scale factors, 0 = no such crystal
bg_scale f8[n] : factor on the background; bq f8[rows, columns] : background photons per pixel where polar = 1
width, mosaicity f8[n, 2], cell_factor f8[n, 2, 3] : factor on sigma, angular spread (rad), factors on a, b, c of each crystal
F2 f8[2 hm + 1] : peak heights [h + hm0, k + hm1, l + hm2], photons; hm i8[3]; hkl_unique, F2_unique : one reflection of each orbit
sigma [1/A], bandwidth, tails : shape of the peaks; basis f8[3, 3] : columns a, b, c [A]; cell f8[3] : their lengths; seed
polar f8[rows, columns], good bool[rows, columns] : factor of each pixel, usable pixels
and keys of config.ini under their names (VN, gw, wl, ...)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.model_intensities import ModelIntensities
from fxs_hpc.emc.simulation import Experiment
from fxs_hpc.emc.spots import PeakShape
from fxs_hpc.emc.truth import CRYSTALS, Truth
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import replacing

COMPRESSED = {"compression": "gzip", "compression_opts": 4, "shuffle": True}


@dataclass(frozen=True)
class StoredTruth:
    """What a truth file says.

    background f8[rows * columns]: photons per pixel for polar = 1; good bool[rows * columns]: usable pixels; seed: None where unknown.
    """

    truth: Truth
    intensities: ModelIntensities
    shape: PeakShape
    background: NDArray[np.float64]
    good: NDArray[np.bool_]
    seed: int | None


def write(folder: Path, experiment: Experiment, truth: Truth, keys: Mapping[str, Any]) -> None:
    """Write truth.h5 and truth.npz in `folder`; `keys`: numbers of config.ini that go with them."""
    named = {**_named(experiment, truth), **keys}
    with replacing(folder / "truth.h5") as temporary, h5py.File(temporary, "w") as file:
        for name, value in named.items():
            file.create_dataset(name, data=value, **(COMPRESSED if np.ndim(value) and np.size(value) else {}))
    with replacing(folder / "truth.npz") as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **{name: np.asarray(value) for name, value in named.items()})  # type: ignore[arg-type]


def _named(experiment: Experiment, truth: Truth) -> dict[str, Any]:
    table, largest = experiment.intensities.table()
    unique, heights = experiment.intensities.unique
    shape = experiment.raster.shape
    return {
        "kind": truth.kind,
        "quats": truth.quaternions,
        "phi": truth.phi,
        "bg_scale": truth.background,
        "width": truth.width,
        "mosaicity": truth.mosaicity,
        "cell_factor": truth.cell,
        "F2": table,
        "hm": largest,
        "hkl_unique": unique.astype(np.int64),
        "F2_unique": heights,
        "sigma": experiment.shape.sigma,
        "bandwidth": experiment.shape.bandwidth,
        "tails": experiment.shape.tails,
        "basis": experiment.intensities.lattice.basis,
        "cell": np.array(experiment.intensities.lattice.cell[:3]),
        "bq": experiment.background.reshape(shape),
        "polar": experiment.raster.polar.reshape(shape),
        "good": experiment.raster.usable.reshape(shape),
        "seed": experiment.seed,
    }


def read(path: Path) -> StoredTruth:
    """Read truth.h5, or a truth.npz (of this package, or with the first names alone).

    Raises
    ------
    InputFileError
        The file is missing, unreadable, or lacks a name.
    """
    try:
        return _stored(_load(path))
    except KeyError as error:
        raise InputFileError(f"{path}: no truth of simulated frames, {error.args[0]}; run simulate-frames") from None


def _load(path: Path) -> dict[str, NDArray]:
    try:
        if path.suffix == ".npz":
            with np.load(path) as file:
                return dict(file)
        with h5py.File(path, "r") as file:
            return {name: np.asarray(values[()]) for name, values in file.items()}
    except (OSError, ValueError) as error:
        raise InputFileError(f"{path}: cannot be read ({error}); run simulate-frames first or check the path") from None


def _stored(named: Mapping[str, NDArray]) -> StoredTruth:
    heights = named["F2"]
    hkl = np.argwhere(heights > 0)
    values = heights[tuple(hkl.T)]
    _, orbit = np.unique(values, return_inverse=True)  # heights are equal within an orbit, and there alone
    lattice = Lattice(np.asarray(named.get("basis", np.diag(named["cell"])), float))
    crystals = (len(named["kind"]), CRYSTALS)
    truth = Truth(
        named["kind"],
        named["quats"],
        named["phi"],
        named["bg_scale"],
        named.get("width", np.ones(crystals)),
        named.get("mosaicity", np.zeros(crystals)),
        named.get("cell_factor", np.ones((*crystals, 3))),
    )
    return StoredTruth(
        truth,
        ModelIntensities(lattice, (hkl - named["hm"]).astype(np.int32), values, orbit),
        PeakShape(float(named["sigma"]), float(named.get("bandwidth", 0.0)), float(named.get("tails", 0.0))),
        named["bq"].ravel(),
        named["good"].ravel(),
        int(named["seed"]) if "seed" in named else None,
    )
