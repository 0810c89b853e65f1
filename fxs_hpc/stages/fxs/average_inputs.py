"""Which reconstructions `average` works on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fxs_hpc.config.average import Average as Settings
from fxs_hpc.errors import DataError, InputFileError
from fxs_hpc.files.reconstructions import ReconstructionSource, open_source
from fxs_hpc.fluctuation import averaging
from fxs_hpc.fluctuation.averaging import Candidate
from fxs_hpc.harmonics.grids import AngularGrid
from fxs_hpc.stages.fxs.context import Context


@dataclass(frozen=True)
class Inputs:
    """The files, and the reconstructions chosen from them, best error first."""

    paths: tuple[Path, ...]
    sources: tuple[ReconstructionSource, ...]
    candidates: tuple[Candidate, ...]

    @property
    def dimensions(self) -> int:
        """3 or 2, the same in all files."""
        return self.sources[0].dimensions

    def source(self, candidate: Candidate) -> ReconstructionSource:
        """The file a candidate lies in."""
        return self.sources[candidate.file]


def working_order(source: ReconstructionSource) -> int:
    """Harmonic order that holds the amplitudes of a file: what its angular grid bears free of aliasing, or at all.

    On an alias-free grid n_theta >= (2 L_amplitude + L_used + 1) / 2, or n_phi >= 2 L_amplitude + L_used + 1 in the plane; the
    reference program's grids are coarser than that for its own orders, and then everything the grid separates is kept.
    """
    angular = source.angular
    points = 2 * angular.n_theta if isinstance(angular, AngularGrid) else angular.n_phi
    alias_free = (points - 1 - source.used_order) // 2
    order = alias_free if alias_free >= source.used_order else angular.max_order
    return min(order, angular.max_order)


def open_inputs(settings: Settings, context: Context) -> tuple[tuple[Path, ...], tuple[ReconstructionSource, ...]]:
    """The reconstruction files of the settings, checked to be on one grid.

    Raises
    ------
    InputFileError
        They are on different grids, or some in the plane and some in space.
    """
    paths = context.workspace.paths("reconstructions", settings.reconstruction_files)
    sources = tuple(open_source(path) for path in paths)
    first = sources[0]
    for source in sources[1:]:
        if source.dimensions != first.dimensions:
            raise InputFileError(
                f"{source.path}: holds reconstructions in {source.dimensions} dimensions, {first.path} in {first.dimensions}; "
                "average them in separate runs"
            )
        same = source.angular == first.angular and source.radial.n_points == first.radial.n_points
        if not (same and np.allclose(source.radial.q, first.radial.q) and np.allclose(source.radial.r, first.radial.r)):
            raise InputFileError(
                f"{source.path}: is on another grid ({grid_text(source)}) than {first.path} ({grid_text(first)}); "
                "reconstructions on different grids cannot be averaged"
            )
    return paths, sources


def newer_run(paths: Sequence[Path]) -> Path | None:
    """The newest result of the same structure (<structure>/<date>/run_<n>/), if it is none of `paths` and younger than all."""
    folders = {path.resolve().parents[2] for path in paths if len(path.resolve().parents) > 2}
    others = [other for path in paths for folder in folders for other in folder.glob(f"*/run_*/{path.name}")]
    newest = max(others, key=lambda path: path.stat().st_mtime, default=None)
    latest_named = max(path.stat().st_mtime for path in paths)
    return newest if newest is not None and newest.stat().st_mtime > latest_named else None


def grid_text(source: ReconstructionSource) -> str:
    """The grid in words."""
    return f"{' x '.join(map(str, source.shape))}, q_max {source.radial.q_max:.6g} 1/A"


def choose(settings: Settings, context: Context) -> Inputs:
    """Select reconstructions as the settings say.

    Raises
    ------
    DataError
        Fewer than two are left.
    """
    paths, sources = open_inputs(settings, context)
    newer = newer_run(paths)
    if newer is not None:
        context.say(f"  note: {newer} is newer than the files named in reconstruction_files and is not among them")
    given, candidates = settings.selection, []
    limited_range = given.max_density_range != (None, None) and given.max_density_range != (0.0, None)
    for number, source in enumerate(sources):
        for key, error in source.last_errors(given.error_metric).items():
            largest = source.largest_density(key) if limited_range else 0.0
            candidates.append(Candidate(number, key, error, largest))
    count = None if given.n_reconstructions == "all" else given.n_reconstructions
    selection = averaging.select(candidates, given.error_limit, given.max_density_range, count)
    for line in selection.left_out:
        context.say(f"  left out: {line}")
    if len(selection.kept) < 2:
        raise DataError(_too_few(paths, candidates, len(selection.kept)))
    return Inputs(paths, sources, selection.kept)


def _too_few(paths: Sequence[Path], candidates: Sequence[Candidate], kept: int) -> str:
    errors = ", ".join(f"{c.error:.3g}" for c in candidates)
    remedy = (
        "see above why the others are left out, and change selection.error_limit or what is named there"
        if len(candidates) > 1
        else "run `reconstruct` again and add the new data.h5 to reconstruction_files, or ask for more at once with "
        "multi_process.n_parallel_reconstructions in its settings"
    )
    return (
        f"average needs at least two reconstructions, {kept} of {len(candidates)} in {', '.join(map(str, paths))} can be used "
        f"(last errors: {errors}); {remedy}"
    )
