"""make-powder/: the pseudo-powder patterns as text.

* 1d-pseudo-powder.dat: 3000 lines of q (1/Angstrom), pairs of peaks at that distance, peaks at that |q|, each ``%1.5e``; bin i is at
  i / (2 wavelength D).
* 2d-pseudo-powder.dat: for each pixel of the raster the largest count in peaks of accepted size.
* frame-peak-count.dat: for each raw frame its accepted peaks, 0 if it has too few or too many.
* patch-sz-count.dat: lines ``size count`` from the least accepted size to 2999.
"""

from collections.abc import Iterable
from pathlib import Path

from fxs_hpc.emc.detector import Geometry
from fxs_hpc.emc.powder import BINS, PseudoPowder
from fxs_hpc.files.atomic import write_text


def write(folder: Path, powder: PseudoPowder, geometry: Geometry, least_size: int) -> None:
    """Write the four files into `folder`."""
    lines = [
        f"{i * geometry.pixel_to_inverse_angstrom / 2:.5e} {pairs:.5e} {peaks:.5e}"
        for i, (pairs, peaks) in enumerate(zip(powder.distances.tolist(), powder.moduli.tolist(), strict=True))
    ]
    _write(folder / "1d-pseudo-powder.dat", lines)
    _write(folder / "2d-pseudo-powder.dat", map(str, powder.brightest.tolist()))
    _write(folder / "frame-peak-count.dat", map(str, powder.peaks))
    _write(folder / "patch-sz-count.dat", (f"{size} {powder.sizes[size]}" for size in range(least_size, BINS)))


def _write(path: Path, lines: Iterable[str]) -> None:
    write_text(path, "\n".join(lines) + "\n")
