"""`make-powder`: pseudo-powder patterns of the peaks of all frames, in which the lattice shows. The user then writes aux/basis-vec.dat."""

import numpy as np

from fxs_hpc.config.emc.background import Frames, Peaks
from fxs_hpc.emc.peaks import centroids
from fxs_hpc.emc.powder import PseudoPowder
from fxs_hpc.errors import DataError
from fxs_hpc.files.emc import peaks as peak_files
from fxs_hpc.files.emc import powder as powder_files
from fxs_hpc.parallel.communicator import first
from fxs_hpc.report import powder as picture
from fxs_hpc.stages.emc import inputs
from fxs_hpc.stages.emc.context import Context, Plan
from fxs_hpc.stages.emc.progress import shown


def run(context: Context) -> None:
    """Make the text files and pictures of make-powder/."""
    for line in first(context.ranks, lambda: _make(inputs.alone(context))):
        context.say(line)


def _make(context: Context) -> list[str]:
    keys = context.config.section(Peaks)
    powder = _collect(context)
    folder = context.home / "make-powder"
    geometry = inputs.geometry(context)
    powder_files.write(folder, powder, geometry, keys.min_patch_sz)
    limits = (keys.min_patch_sz, keys.max_patch_sz), (keys.min_num_peak, keys.max_num_peak)
    pictures = picture.write(folder, powder, geometry, *limits)
    accepted = np.count_nonzero(powder.peaks)
    return [
        f"{accepted} of {len(powder.peaks)} frames have {keys.min_num_peak} to {keys.max_num_peak} peaks, {sum(powder.peaks)} in all",
        *(f"picture: {path}" for path in pictures),
    ]


def _collect(context: Context) -> PseudoPowder:
    keys = context.config.section(Peaks)
    lists = inputs.lists(context)
    pixels = inputs.pixels(context, inputs.geometry(context).shape)
    place = pixels.positions()
    powder = PseudoPowder(np.zeros(len(place), np.int32))
    for path in shown(lists.peak, len(lists), "frames", context.ranks, context.say):
        patches = peak_files.read(path)
        powder.add_sizes(patches.sizes)
        accepted = patches.selected((patches.sizes >= keys.min_patch_sz) & (patches.sizes <= keys.max_patch_sz))
        try:
            powder.add(accepted, centroids(accepted, pixels.q, place), keys.min_num_peak, keys.max_num_peak)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
    return powder


def plan(context: Context) -> Plan:
    """What it will take."""
    geometry = inputs.geometry(context)
    raster = geometry.shape[0] * geometry.shape[1]
    count = context.config.section(Frames).num_raw_data or 0
    return Plan(memory=raster * 60, disk=4 * raster + 150_000 + 4 * count)
