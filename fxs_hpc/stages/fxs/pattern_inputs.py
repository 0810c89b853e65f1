"""The files that `simulate_patterns` and `correlate` read."""

from pathlib import Path

from fxs_hpc.config.correlate import Correlate
from fxs_hpc.config.simulate_patterns import SimulatePatterns
from fxs_hpc.files.pattern_lists import Patterns, open_patterns
from fxs_hpc.stages.fxs.context import Context


def patterns_of(settings: Correlate, context: Context) -> tuple[Path, Patterns]:
    """The list of patterns, and what it names."""
    source = context.workspace.find("input_file_list")
    shape, frames = settings.image_dimensions, settings.frames
    return source, open_patterns(source, shape, settings.max_n_patterns, frames.dataset or None, frames.adu_per_photon)


def input_files(settings: Correlate, context: Context) -> list[Path]:
    """The list, and mask and background where they are used; the patterns themselves change more often than they can be hashed."""
    wanted = {"input_file_list": True, "binary_mask": settings.use_binary_mask, "background": settings.subtract_background}
    return [context.workspace.find(key) for key, used in wanted.items() if used]


def object_files(settings: SimulatePatterns, context: Context) -> list[Path]:
    """The files that the object and the mask are read from."""
    names = {"density": settings.density_file, "structure": settings.structure_file}
    found = [context.workspace.home / names[settings.object]] if settings.object in names else []
    return found + ([context.workspace.find("binary_mask")] if settings.use_binary_mask else [])
