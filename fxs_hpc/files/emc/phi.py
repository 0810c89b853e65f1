"""Scale factors of the frames: start-phi.dat, total-phi.dat, out-phi.dat.

Text, one number per reduced frame. total-phi has six digits (``%12.5e``), start-phi sixteen (``%1.15e``), the output of rej-frames six
(``%1.5e``); the mean over all frames is 1, frames that are left out have 0.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import write_text

START = "%1.15e"
TOTAL = "%12.5e"
REJECTED = "%1.5e"


def read(path: Path, frames: int | None = None) -> NDArray[np.float64]:
    """Scale factors float64[n].

    Parameters
    ----------
    frames : int, optional
        Number of frames there must be.

    Raises
    ------
    InputFileError
        The file is missing, holds something else than finite numbers of at least zero, or another number of them.
    """
    try:
        phi = np.array(Path(path).read_text().split(), float)
    except OSError as error:
        raise InputFileError(f"{path}: scale factors cannot be read ({error.strerror}); run `fxs-hpc emc init-phi`") from None
    except ValueError as error:
        raise InputFileError(f"{path}: expected one number per frame ({error})") from None
    if frames is not None and len(phi) != frames:
        raise InputFileError(f"{path}: {len(phi)} scale factors, but there are {frames} reduced frames; run `fxs-hpc emc init-phi` again")
    if not np.all(np.isfinite(phi)) or (phi < 0).any():
        worst = int(np.flatnonzero(~np.isfinite(phi) | (phi < 0))[0])
        raise InputFileError(f"{path}, line {worst + 1}: {phi[worst]}: a scale factor is a finite number of at least 0")
    return phi


def write(path: Path, phi: NDArray[np.float64], number: str = TOTAL) -> None:
    """Write scale factors, each in the format `number`."""
    write_text(path, "".join(f"{number % value}\n" for value in phi.tolist()))
