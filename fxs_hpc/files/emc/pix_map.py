"""pix-map and rec2pix-map: where a raster pixel stands in the sorted table of usable pixels, and back.

``rec2pix-map``: full index row * columns + column of each usable pixel, in the order of rec-vectors.bin. ``pix-map``: for each pixel of the
raster its place in that table, -1 = not usable. Both as text (``.dat``, a number a line) and as int32 (``.bin``).

The reference program writes rec2pix-map.bin for all pixels of the raster, with the -1 of unusable ones left in; such files are read too.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.detector import Pixels
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import replacing, write_text


def write(folder: Path, pixels: Pixels) -> None:
    """Write pix-map.{dat,bin} and rec2pix-map.{dat,bin} into `folder`."""
    for name, table in (("pix-map", pixels.positions()), ("rec2pix-map", pixels.index)):
        with replacing(folder / f"{name}.bin") as temporary:
            table.astype("<i4").tofile(temporary)
        write_text(folder / f"{name}.dat", "\n".join(map(str, table.tolist())) + "\n")


def read_index(folder: Path, count: int) -> NDArray[np.int32]:
    """Full indices int32[count] of rec2pix-map.bin, or of rec2pix-map.dat where that is missing.

    Raises
    ------
    InputFileError
        Neither is there, or it is not about `count` different pixels.
    """
    binary, text = folder / "rec2pix-map.bin", folder / "rec2pix-map.dat"
    try:
        path = binary if binary.exists() else text
        index = np.fromfile(path, "<i4") if path == binary else np.array(path.read_text().split(), np.int32)
    except (OSError, ValueError) as error:
        raise InputFileError(f"{text}: cannot be read ({error}); run `fxs-hpc emc make-detector` again") from None
    index = index[index >= 0]
    if len(index) != count or len(np.unique(index)) != count:
        raise InputFileError(
            f"{path}: {len(index)} pixels, but rec-vectors.bin has {count}: the two are not of one run; "
            "run `fxs-hpc emc make-detector` again"
        )
    return index.astype(np.int32)
