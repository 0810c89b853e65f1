"""`make-detector`: reciprocal vector, polarisation and solid angle of each usable pixel.

The mask is make-detector/MASK.bin. It is made (see `make-mask`) where it is missing, and made again where config.ini has changed since; one
that something else made is taken as it is.
"""

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.emc.detector import Detector
from fxs_hpc.emc.detector import Geometry, usable_pixels
from fxs_hpc.files.emc import mask, pix_map, rec_vectors
from fxs_hpc.parallel.communicator import first
from fxs_hpc.report import detector as picture
from fxs_hpc.stages.emc import inputs, mask_sources
from fxs_hpc.stages.emc.context import Context, Plan

BYTES_PER_PIXEL = 160
"""Of memory: vectors, factors and their sorted copies."""


def run(context: Context) -> None:
    """Make make-detector/rec-vectors.bin, pix-map and rec2pix-map, and a picture of the detector."""
    for line in first(context.ranks, lambda: _make(inputs.alone(context))):
        context.say(line)


def _make(context: Context) -> list[str]:
    folder = context.home / "make-detector"
    geometry = inputs.geometry(context)
    masked, lines = current_mask(context, geometry)
    pixels = usable_pixels(geometry, masked)
    rec_vectors.write(folder / "rec-vectors.bin", pixels, geometry)
    pix_map.write(folder, pixels)
    picture.write(folder / "detector.png", geometry, masked, pixels)
    return [*lines, *described(geometry), f"{len(pixels)} usable pixels; picture: {folder / 'detector.png'}"]


def current_mask(context: Context, geometry: Geometry) -> tuple[NDArray[np.bool_], list[str]]:
    """The mask, made if need be, and where it comes from."""
    path, then = mask_sources.binary(context), mask_sources.recorded(context)
    now = mask_sources.configured(context, then.frame if then else "")
    if path.exists() and then is None:
        masked = mask.read(path, geometry.shape)
        return masked, [f"mask: {int(masked.sum())} pixels of {path} as it is; `fxs-hpc emc make-mask` would make it of {now.words()}"]
    masked = mask.read(path, geometry.shape) if then == now else mask_sources.write(context, now)
    return masked, [f"mask: {int(masked.sum())} of {masked.size} pixels, from {now.words()}"]


def described(geometry: Geometry) -> list[str]:
    """Size and range, in words."""
    to_resolution = geometry.wavelength * geometry.D
    low = f"{to_resolution / geometry.q_min:.1f}" if geometry.q_min else "infinity"
    return [
        f"{geometry.shape[0]} x {geometry.shape[1]} pixels in {len(geometry.panels)} panel{'s' * (len(geometry.panels) > 1)}, "
        f"D = {geometry.D:.2f} pixels, wavelength {geometry.wavelength:.5g} A",
        f"|q| from {geometry.q_min} to {geometry.q_max} pixels: {low} to {to_resolution / geometry.q_max:.2f} A",
    ]


def plan(context: Context) -> Plan:
    """Sizes from the geometry alone."""
    geometry = inputs.geometry(context)
    count = geometry.shape[0] * geometry.shape[1]
    keys = context.config.section(Detector)
    paths = [context.config.path(path) for path in (keys.mask_frame, keys.mask_file) if path]
    missing = tuple(f"{path}: of the mask" for path in paths if not path.exists())
    return Plan(BYTES_PER_PIXEL * count, (12 + 4 * 32) * count // 2, tuple(described(geometry)), missing)
