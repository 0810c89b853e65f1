"""Where the results of this config lie: reconstructions that are over, on the grid or off it, of all frames or of a half."""

from pathlib import Path

from fxs_hpc.config.emc.halves import half_of, half_path
from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.config.emc.refinement import Refinement
from fxs_hpc.errors import InputFileError
from fxs_hpc.stages.emc.context import Context
from fxs_hpc.stages.emc.flag_folder import flag_folders
from fxs_hpc.stages.emc.reconstruction_archive import archive_name, last_archive

LOW = "low-res-recon"
HIGH = "high-res-recon"


def half(config: EmcConfig) -> str | None:
    """'A' or 'B' where config.ini is that of a half."""
    path = config.run.path
    return half_of(path.name) if path else None


def newest(context: Context, kind: str) -> Path:
    """The newest finished run of this config.

    Raises
    ------
    InputFileError
        There is none; says which stage makes it.
    """
    return last_archive(context.config.path(context.config.section(Reconstruction).prob_dir), archive_name(kind, half(context.config)))


def refine_folder(config: EmcConfig) -> Path:
    """refine_dir, with -A or -B for the halves."""
    path, own = config.path(config.section(Refinement).refine_dir), half(config)
    return half_path(path, own) if own else path


def last_flag(run: Path, holds: str) -> Path:
    """The last iter_flag folder of a run that holds the file `holds`.

    Raises
    ------
    InputFileError
        None does.
    """
    for folder in reversed(flag_folders(run).values()):
        if (folder / holds).exists():
            return folder
    raise InputFileError(f"{run}: no iter_flag folder holds {holds}; the reconstruction has not come that far")
