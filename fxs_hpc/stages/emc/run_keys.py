"""What an EMC run depends on: kept with every state, so that a run is never continued with other settings, lattice or data unnoticed."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fxs_hpc.config.emc.background import Background
from fxs_hpc.config.emc.orientation import Lattice as LatticeKeys
from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.config.emc.reduction import Reduction
from fxs_hpc.emc.detector import Geometry
from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.errors import UsageError
from fxs_hpc.stages.emc.context import Context

SAMPLE = 1 << 20
"""Bytes hashed at the beginning, in the middle and at the end of a data file, which may have hundreds of GB."""


def run_keys(context: Context, geometry: Geometry, lattice: Lattice, files: Mapping[str, Path], **more: Any) -> dict[str, Any]:
    """Names and values that a state must share with the run that continues it.

    Parameters
    ----------
    files : mapping
        Name in config.ini -> input file; its size and hash count, not its place.
    more
        Further settings of the stage.
    """
    cell, keys = context.config.section(LatticeKeys), context.config.section(Reconstruction)
    settings = {
        "basis-vec.dat": [round(float(value), 9) for value in lattice.basis.ravel()],
        "VN": cell.VN,
        "gw": cell.gw,
        "qlen": context.config.section(Background).qlen,
        "geometry": [
            round(float(value), 9) for value in (*geometry.beam, geometry.wavelength, geometry.q_min, geometry.q_max, *geometry.shape)
        ],
        "emc_rules": keys.emc_rules,
        "prune_margin": keys.prune_margin,
        "prune_interval": keys.prune_interval,
        **more,
    }
    return settings | {name: digest(path) for name, path in files.items()}


def data_files(context: Context) -> dict[str, Path]:
    """The files of the reduced data."""
    keys = context.config.section(Reduction)
    return {
        "mpi_datafile": context.config.path(keys.mpi_datafile),
        "rec-vectors.bin": context.home / "make-detector" / "rec-vectors.bin",
        "sym-op.dat": context.home / "aux" / "sym-op.dat",
    }


def digest(path: Path) -> str:
    """Size and SHA-256 of samples of a file."""
    size = path.stat().st_size
    found = hashlib.sha256()
    with path.open("rb") as stream:
        for place in (0, max(0, size // 2 - SAMPLE // 2), max(0, size - SAMPLE)):
            stream.seek(place)
            found.update(stream.read(SAMPLE))
    return f"{size} bytes, {found.hexdigest()[:16]}"


def refuse_other(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse a state that belongs to something else.

    Raises
    ------
    UsageError
        Names every key that differs, with both values.
    """
    differing = [name for name in sorted(set(found) | set(wanted)) if found.get(name) != wanted.get(name)]
    if differing:
        lines = "; ".join(f"{name}: {found.get(name, 'absent')} there, {wanted.get(name, 'absent')} now" for name in differing)
        raise UsageError(
            f"{path.parent}: was made by another run and cannot be continued by this one. What differs: {lines}. Set these back, or put "
            "the old results away with `fxs-hpc emc move-recon-files` and start anew"
        )
