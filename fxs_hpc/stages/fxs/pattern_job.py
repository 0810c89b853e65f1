"""What `correlate` does with which patterns, read from its settings: geometry, treatment of a pattern, folder, what is done already."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from fxs_hpc.config.correlate import Correlate
from fxs_hpc.errors import InputFileError, SettingsError
from fxs_hpc.files import correlation_checkpoint
from fxs_hpc.files.atomic import remove_leftovers
from fxs_hpc.files.checkpoint import CHECKPOINTS
from fxs_hpc.files.pattern_lists import Patterns, digest, read_image
from fxs_hpc.fluctuation.pattern_correlation import Correlator
from fxs_hpc.fluctuation.patterns import RadialFilter, Treatment
from fxs_hpc.fluctuation.polar_grid import FlatDetector, PolarGrid, chosen, polar_grid, q_points
from fxs_hpc.stages import provenance
from fxs_hpc.stages.fxs import settings_copy
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.finished import differing
from fxs_hpc.stages.fxs.pattern_inputs import input_files, patterns_of

IRRELEVANT = ("IO", "n_processes", "split_mode", "profile", "settings_version")
"""Sections that the sums do not depend on."""


@dataclass(frozen=True)
class Job:
    """One run of `correlate`.

    Attributes
    ----------
    folder : Path
        Where the result goes.
    source : Path
        The list of patterns.
    patterns : Patterns
        What it names.
    fingerprint : str
        Hash of everything that the sums depend on.
    checkpoints : tuple of Path
        Sums of patterns that were correlated before.
    """

    folder: Path
    source: Path
    patterns: Patterns
    fingerprint: str
    checkpoints: tuple[Path, ...] = ()


def detector(settings: Correlate) -> FlatDetector:
    """The detector of the settings."""
    return FlatDetector(
        settings.image_dimensions, settings.pixel_size, settings.sample_distance, settings.wavelength, settings.detector_origin
    )


def grid(settings: Correlate) -> PolarGrid:
    """Radial points and angles of the settings."""
    flat = detector(settings)
    return polar_grid(flat, q_points(*(settings.qrange or flat.default_q())), settings.phi_range)


def correlated(settings: Correlate, q: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the radial points that are q1 and q2 of the correlation."""
    first, second = settings.qrange_xcca or (None, None)
    return chosen(q, first), chosen(q, second)


def treatment(settings: Correlate, context: Context) -> Treatment:
    """What is done to every pattern; reads mask and background."""
    points, workspace, shape = grid(settings), context.workspace, settings.image_dimensions
    usable = np.ones(shape, bool)
    if settings.use_binary_mask:
        mask = read_image(workspace.find("binary_mask"), shape)
        usable = np.isfinite(mask) & (mask > 0)
    use_filter, (method, factor) = settings.intensity_radial_pixel_filter
    undo, direction = settings.polarization_correction
    return Treatment(
        grid=points,
        order=settings.interpolation_order,
        usable=usable,
        background=read_image(workspace.find("background"), shape).astype(np.float64) if settings.subtract_background else None,
        thresholds=_used(settings.intensity_pixel_threshold),
        radial_filter=RadialFilter(method, factor) if use_filter else None,
        roi=settings.ROI_normalization[1:],
        roi_limits=_used(settings.ROI_mean_filter),
        normalise=settings.ROI_normalization[0],
        corrections=points.corrections(direction if undo else None, settings.solid_angle_correction),
        nan_is_zero=settings.masks.nan_pixels == "zero",
        rounded_edges=settings.masks.edges == "rounded",
        counts_photons=settings.subtract_photon_noise,
    )


def _used(limits: tuple[bool, float, float]) -> tuple[float, float] | None:
    return limits[1:] if limits[0] else None


def correlator(settings: Correlate, treatment: Treatment) -> Correlator:
    """How patterns are summed: over all radial points that are a q1 or a q2."""
    first, second = correlated(settings, treatment.grid.q)
    indices = np.union1d(first, second) if settings.correlates else np.arange(0)
    return Correlator(treatment.polar_mask, indices, settings.masks.normalisation == "each_pattern")


def job(settings: Correlate, context: Context) -> Job:
    """Choose the folder, continue what was begun with `--resume`, write the settings.

    Raises
    ------
    SettingsError
        What was begun was begun with other settings or patterns.
    """
    source, patterns = patterns_of(settings, context)
    marks = digest(patterns)
    tree = {key: value for key, value in settings.tree().items() if key not in IRRELEVANT}
    inputs = input_files(settings, context)
    fingerprint = provenance.text_sha256(provenance.as_yaml([tree, marks, *(provenance.sha256(path) for path in inputs)]))
    begun = _unfinished(settings, context) if context.resume else None
    if begun is not None:
        checkpoints = _usable_checkpoints(begun, fingerprint, settings)
        return Job(begun, source, patterns, fingerprint, checkpoints)
    if context.resume:
        context.say("  nothing was begun with these inputs: a new run")
    folder = context.workspace.folder("ccd_archive", run=context.workspace.next_run("ccd_archive"))
    settings_copy.write(folder, "settings.yaml", settings, context, inputs=inputs, patterns=marks)
    return Job(folder, source, patterns, fingerprint)


def _unfinished(settings: Correlate, context: Context) -> Path | None:
    """The newest run without a result, or with checkpoints, if there is one."""
    name = settings.IO.files.ccd.name
    runs = context.workspace.folder("ccd_archive", run=0).parent.parent.glob("*/run_*")
    begun = [
        folder
        for folder in runs
        if _is_ours(folder / "settings.yaml") and (not (folder / name).exists() or any(folder.glob(CHECKPOINTS)))
    ]
    return max(begun, key=lambda path: (path / "settings.yaml").stat().st_mtime, default=None)


def _is_ours(path: Path) -> bool:
    """Whether settings are those of `correlate`: simulate_ccd writes into the same folder."""
    return path.is_file() and "image_dimensions" in (yaml.safe_load(path.read_text(encoding="utf-8")) or {})


def _usable_checkpoints(folder: Path, fingerprint: str, settings: Correlate) -> tuple[Path, ...]:
    """Checkpoints of this run, without those that another one holds all patterns of (a rank took them over and was killed)."""
    remove_leftovers(folder)
    found = sorted(folder.glob(CHECKPOINTS), key=correlation_checkpoint.rank_of)
    kept: dict[Path, NDArray[np.bool_]] = {}
    for path in found:
        mark, done = correlation_checkpoint.looked_at(path)
        if mark != fingerprint:
            raise SettingsError(
                f"{folder}: was begun with other {_differences(folder, settings)}; restore them to resume, or start anew without --resume. "
                f"Safe to change: {', '.join(IRRELEVANT)}"
            )
        kept[path] = done
    for path in found:
        others = [done for other, done in kept.items() if other != path]
        if any((kept[path] <= done).all() for done in others):
            del kept[path]
            path.unlink()
        elif any((kept[path] & done).any() for done in others):
            raise InputFileError(f"{path}: holds patterns that another checkpoint of the folder holds too; delete it and resume")
    return tuple(kept)


def _differences(folder: Path, settings: Correlate) -> str:
    stored = yaml.safe_load((folder / "settings.yaml").read_text(encoding="utf-8"))
    different = differing(stored, settings, (*IRRELEVANT, "provenance"))
    return f"values of {', '.join(different)}" if different else "patterns, mask or background"
