"""`init-phi`: scale factors of the reduced frames to start from, for all of them and for the halves A and B."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.emc.background import Peaks
from fxs_hpc.config.emc.halves import HALVES, half_of, half_path
from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.emc.initial_phi import initial_phi
from fxs_hpc.errors import InputFileError, UsageError
from fxs_hpc.files.atomic import write_text
from fxs_hpc.files.emc import peaks
from fxs_hpc.stages.emc.context import Context, Plan

PEAK_FILES = "aux/reduced-peakfiles.dat"


def run(context: Context) -> None:
    """Write start_phi_file, and beside it the same with -A (frames 0, 2, 4 ...) and -B (1, 3, 5 ...) before the suffix."""
    config = context.config.run.path
    if config is not None and half_of(config.name):
        raise UsageError(f"{config}: is the config of a half; init-phi writes the factors of both halves when it gets that of all frames")
    if context.ranks.rank:
        return
    phi = _factors(context)
    path = _path(context)
    _write(path, phi)
    _write_halves(path, phi)
    spread = np.percentile(phi, [5, 50, 95])
    context.say(f"{path}: {len(phi)} frames, phi {spread[0]:.2f} .. {spread[2]:.2f} (5 to 95 per cent), median {spread[1]:.2f}")


def write_halves(context: Context) -> None:
    """Write the factors of the halves alone; one rank does this."""
    _write_halves(_path(context), _factors(context))


def plan(context: Context) -> Plan:
    """Next to nothing."""
    return Plan(memory=10**8, disk=0)


def _path(context: Context) -> Path:
    return context.config.path(context.config.section(Reconstruction).start_phi_file)


def _factors(context: Context) -> NDArray[np.float64]:
    patches = [peaks.read(name) for name in _peak_files(context)]
    largest = context.config.section(Peaks).max_patch_sz
    return initial_phi([frame.sizes for frame in patches], [frame.photons for frame in patches], largest)


def _peak_files(context: Context) -> list[str]:
    path = context.home / PEAK_FILES
    try:
        return path.read_text().split("\n")[:-1]
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror}); run `fxs-hpc emc reduce-data` first") from None


def _write_halves(path: Path, phi: NDArray[np.float64]) -> None:
    for offset, half in enumerate(HALVES):
        _write(half_path(path, half), phi[offset::2])


def _write(path: Path, phi: NDArray[np.float64]) -> None:
    write_text(path, "".join(f"{value:.15e}\n" for value in phi.tolist()))
