"""Files that `extract` reads."""

from pathlib import Path

from fxs_hpc.config.extract import Extract
from fxs_hpc.errors import InputFileError
from fxs_hpc.stages.fxs.context import Context


def correlation_file(settings: Extract, context: Context) -> Path:
    """The correlations; in the plane also the file that `correlate` made, which serves both but is named as in space.

    Raises
    ------
    InputFileError
        There is none.
    """
    try:
        return context.workspace.find("ccd")
    except InputFileError:
        other = context.workspace.file("ccd", dimensions=3)
        if settings.dimensions == 3 or not other.is_file():
            raise
        return other


def density_file(settings: Extract, context: Context) -> Path:
    """The density. Raises `InputFileError` if there is none."""
    path = context.workspace.home / settings.density.path
    if not path.is_file():
        raise InputFileError(f"density.path: {path}: no such file")
    return path


def mask_file(settings: Extract, context: Context, data_set: str) -> Path | None:
    """The mask of a data set, where it comes from a file."""
    mask = getattr(settings.cross_correlation.datasets, data_set).cc_mask
    return context.workspace.home / mask.direct.path if mask.type == "direct" else None


def input_files(settings: Extract, context: Context) -> list[Path]:
    """All files whose contents go into the result. Raises `InputFileError` if the correlations or the density are missing."""
    if settings.extraction_mode == "shapes":
        return []
    if settings.extraction_mode == "density":
        return [density_file(settings, context).resolve()]
    masks = [mask_file(settings, context, name) for name in settings.cross_correlation.datasets_to_process]
    return [correlation_file(settings, context).resolve(), *dict.fromkeys(path for path in masks if path is not None)]
