"""Which config.ini is meant."""

from pathlib import Path

from fxs_hpc.config import ini
from fxs_hpc.errors import SettingsError


def config_path(given: Path | None) -> Path:
    """`given`, or config.ini of this directory or of a parent.

    Raises
    ------
    SettingsError
        There is none.
    """
    if given is not None:
        if not given.is_file():
            raise SettingsError(f"{given}: there is no such file; `fxs-hpc init DIR` makes a working directory with one")
        return given
    found = ini.find(Path.cwd())
    if found is None:
        raise SettingsError(
            f"there is no {ini.FILE_NAME} in {Path.cwd()} or above it; `fxs-hpc init DIR` makes a working directory: go there"
        )
    return found
