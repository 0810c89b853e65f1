"""`make-mask`: the pixels that must not be used.

`make-mask FRAME` takes the bad (negative) and overflowing (above 32767) pixels of a frame. To that come the keys mask_frame, mask_file,
holder_half_width, what a geometry file says, and the pixel mask of HDF5 frames.
"""

import os
from pathlib import Path

from fxs_hpc.parallel.communicator import first
from fxs_hpc.stages.emc import inputs, mask_sources
from fxs_hpc.stages.emc.context import Context


def run(context: Context, frame: Path | None = None) -> None:
    """Make make-detector/MASK.bin and aux/mask.dat.

    Parameters
    ----------
    frame : Path, optional
        A frame; relative paths count from the current directory.
    """

    def make() -> str:
        alone = inputs.alone(context)
        sources = mask_sources.configured(alone, os.path.abspath(frame) if frame else "")
        masked = mask_sources.write(alone, sources)
        return f"mask: {int(masked.sum())} of {masked.size} pixels, from {sources.words()}"

    context.say(first(context.ranks, make))
