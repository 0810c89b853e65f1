"""average: reconstructions -> aligned set -> average, resolution, comparison with the true object."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.average import Average as Settings
from fxs_hpc.errors import DataError, InputFileError
from fxs_hpc.files.average_results import create_average_results
from fxs_hpc.files.reconstructions import ReconstructionSource, open_source
from fxs_hpc.fluctuation import averaging
from fxs_hpc.fluctuation.alignment import Volume, other_hand, prepare
from fxs_hpc.fluctuation.averaging import Candidate
from fxs_hpc.fluctuation.comparison import Comparison, RunAgreement, compare, compare_run, truth_of
from fxs_hpc.fluctuation.ensemble import Apply, Ensemble, align_ensemble, matching_shells
from fxs_hpc.fluctuation.fourier import BallTransform
from fxs_hpc.stages.cores import limited
from fxs_hpc.stages.fxs import average_output as output
from fxs_hpc.stages.fxs import settings_copy
from fxs_hpc.stages.fxs.context import Context, Plan
from fxs_hpc.stages.fxs.truth import FoundModel, find_model


@dataclass(frozen=True)
class Inputs:
    """The files, and the reconstructions chosen from them, best error first."""

    paths: tuple[Path, ...]
    sources: tuple[ReconstructionSource, ...]
    candidates: tuple[Candidate, ...]

    def source(self, candidate: Candidate) -> ReconstructionSource:
        """The file a candidate lies in."""
        return self.sources[candidate.file]


def working_order(source: ReconstructionSource) -> int:
    """Harmonic order that holds the amplitudes of a file: what its angular grid bears free of aliasing, or at all.

    On an alias-free grid n_theta >= (2 L_amplitude + L_used + 1) / 2; the reference program's grids are coarser than that for its
    own orders, and then everything the grid separates is kept.
    """
    alias_free = (2 * source.angular.n_theta - 1 - source.used_order) // 2
    order = alias_free if alias_free >= source.used_order else source.angular.max_order
    return min(order, source.angular.max_order)


def open_inputs(settings: Settings, context: Context) -> tuple[tuple[Path, ...], tuple[ReconstructionSource, ...]]:
    """The reconstruction files of the settings, checked to be on one grid."""
    paths = context.workspace.paths("reconstructions", settings.reconstruction_files)
    sources = tuple(open_source(path) for path in paths)
    first = sources[0]
    for source in sources[1:]:
        same = source.angular == first.angular and source.radial.n_points == first.radial.n_points
        if not (same and np.allclose(source.radial.q, first.radial.q) and np.allclose(source.radial.r, first.radial.r)):
            raise InputFileError(
                f"{source.path}: is on another grid ({_grid_text(source)}) than {first.path} ({_grid_text(first)}); "
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


def _grid_text(source: ReconstructionSource) -> str:
    angular = source.angular
    return f"{source.radial.n_points} x {angular.n_theta} x {angular.n_phi}, q_max {source.radial.q_max:.6g} 1/A"


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
        "raise selection.error_limit"
        if len(candidates) > 1
        else "run `reconstruct` again and add the new data.h5 to reconstruction_files, or ask for more at once with "
        "multi_process.n_parallel_reconstructions in its settings"
    )
    return (
        f"average needs at least two reconstructions, {kept} of {len(candidates)} in {', '.join(map(str, paths))} can be used "
        f"(last errors: {errors}); {remedy}"
    )


def plan(settings: Settings, context: Context) -> Plan:
    """Memory and disk that `run` needs, in bytes."""
    try:
        inputs = choose(settings, context)
    except (InputFileError, DataError) as error:
        return Plan(0, 0, (f"cannot be told before the reconstructions exist: {error}",))
    source, count = inputs.sources[0], len(inputs.candidates)
    order, n = working_order(source), source.radial.n_points
    points = n * source.angular.n_theta * source.angular.n_phi
    coefficients = 2 * (order + 1) ** 2 * n * _item_size(context)
    matrices = 2 * (order + 1) * n**2 * 8
    workers = _workers(settings, context, count)
    memory = 300_000_000 + 4 * coefficients * count + matrices + points * 8 * (20 * workers + 20)
    disk = points * (count * (16 + 24) + 140)
    lines = (
        f"{count} reconstructions on a grid of {n} x {source.angular.n_theta} x {source.angular.n_phi}, orders to {order}",
        f"{workers} at a time",
    )
    return Plan(memory, disk, lines)


def _item_size(context: Context) -> int:
    return 4 if context.precision == "single" else 8


def _workers(settings: Settings, context: Context, count: int) -> int:
    given = settings.multi_process
    asked = context.threads if isinstance(given.n_processes, bool) else given.n_processes
    return max(1, min(asked, context.threads, count)) if given.use else 1


@contextmanager
def parallel(workers: int) -> Iterator[Apply]:
    """A `map` over `workers` threads, in order, that never runs more than `workers` items ahead of its consumer.

    Threads are enough: the work is in FFTs and matrix products, which release the interpreter lock.
    """
    if workers == 1:
        yield map
        return
    with ThreadPoolExecutor(workers) as executor:

        def apply(function: Callable, items: Iterable) -> Iterator:
            rest = iter(items)
            pending = [executor.submit(function, item) for item in islice(rest, workers)]
            while pending:
                result = pending.pop(0).result()
                pending.extend(executor.submit(function, item) for item in islice(rest, 1))
                yield result

        yield apply


def run(settings: Settings, context: Context) -> Path:
    """Align and average; writes average_results.h5 with its companions and returns the result folder."""
    with limited(context.threads):
        inputs = choose(settings, context)
        found = find_model(settings.model, inputs.paths, context.workspace)
        ball = _transform(inputs.sources[0], context)
    count = len(inputs.candidates)
    context.say(f"  {count} reconstructions, orders to {ball.l_max}; reference: error {inputs.candidates[0].error:.3g}")
    with limited(1), parallel(_workers(settings, context, count)) as apply:
        ensemble = _aligned(settings, context, inputs, ball, apply)
        return _results(settings, context, inputs, ball, ensemble, found, apply)


def _transform(source: ReconstructionSource, context: Context) -> BallTransform:
    dtype = np.float32 if context.precision == "single" else np.float64
    return BallTransform(source.radial, source.angular, working_order(source), dtype=dtype)


def _aligned(settings: Settings, context: Context, inputs: Inputs, ball: BallTransform, apply: Apply) -> Ensemble:
    given = settings.normalize_reconstructions

    def prepared_one(candidate: Candidate) -> Volume:
        stored = inputs.source(candidate).load(candidate.key)
        return prepare(
            ball,
            stored.density,
            stored.amplitude,
            settings.center_reconstructions,
            given.mode if given.use else None,
            stored.support if settings.use_masks else None,
            settings.shifted_mask_threshold,
        )

    prepared = list(apply(prepared_one, inputs.candidates))
    manual = settings.selection.manual_specifier if settings.selection.method == "manual" else None
    order = averaging.reference_order(inputs.candidates, manual)
    if settings.pointinvert_reference:
        prepared[order[0]] = other_hand(prepared[order[0]], ball.radial.n_points)
    reference = inputs.candidates[order[0]]
    radius = inputs.source(reference).support_radius(reference.key)
    shells = matching_shells(ball, prepared[order[0]], settings.find_rotation.r_limit_ids, radius)
    if shells.note:
        context.say(f"  note: {shells.note}")
    limit = settings.alignment_error_limit
    ensemble = align_ensemble(ball, prepared, shells.weights, order, limit, settings.max_iterations, apply=apply)
    _report_alignment(context, ensemble, order[0], limit)
    return ensemble


def _report_alignment(context: Context, ensemble: Ensemble, first: int, limit: float) -> None:
    if ensemble.reference != first:
        context.say(
            f"  note: fewer than half agree with the reconstruction of least error; number {ensemble.reference} in the order of errors, "
            "with which more agree, is the reference"
        )
    errors = [volume.error for i, volume in enumerate(ensemble.volumes) if i != ensemble.reference]
    context.say(
        f"  aligned: {len(ensemble.accepted)} of {len(ensemble.volumes)} accepted (error below {limit:g}); "
        f"alignment errors {min(errors):.3g} .. {max(errors):.3g}"
    )
    if len(ensemble.accepted) == 1:
        context.say("  warning: no other reconstruction agrees with the reference: the 'average' is the reference alone")


def _results(
    settings: Settings,
    context: Context,
    inputs: Inputs,
    ball: BallTransform,
    ensemble: Ensemble,
    found: FoundModel | None,
    apply: Apply,
) -> Path:
    workspace = context.workspace
    number = workspace.next_run("averaged_results", dimensions=3)
    target = workspace.file("average_results", dimensions=3, run=number)
    kept = [ensemble.volumes[i] for i in ensemble.accepted]
    with create_average_results(target) as file:
        file.grids(ball.radial, ball.angular)
        keys = [(candidate.file, candidate.key) for candidate in inputs.candidates]
        file.inputs(inputs.paths, keys, np.array([volume.scaling_factor for volume in ensemble.volumes]))

        def keep(position: int, fields: averaging.GridFields) -> None:
            output.write_aligned(file, position, fields, ball.dtype)
            if settings.IO.files.average_results.options.generate_aligned_vtk:
                output.write_aligned_vtk(settings, workspace, number, position, fields, ball)

        average = averaging.average(ball, kept, apply, keep)
        result = output.summarise(settings, ball, ensemble, average, inputs.candidates)
        comparison, runs = _comparison(found, context, inputs, ball, ensemble, result, apply)
        output.write_results(file, ball, ensemble, result)
        if comparison is not None:
            output.write_comparison(file, comparison, runs)
        if settings.IO.files.average_results.options.generate_rotation_metric_vtk:
            output.write_rotation_metric(settings, workspace, number, file, ball, ensemble)
        if settings.IO.files.average_results.options.generate_input_vtk:
            output.write_input_vtk(settings, workspace, number, inputs.sources, inputs.candidates)
        output.draw(settings, workspace, number, ball, result, comparison, runs)
        if settings.IO.files.average_results.options.save_settings:
            settings_copy.write(target.parent, "settings.yaml", settings, context, inputs=inputs.paths)
    for line in output.summary_lines(result, comparison, runs):
        context.say(line)
    return target.parent


def _comparison(
    found: FoundModel | None,
    context: Context,
    inputs: Inputs,
    ball: BallTransform,
    ensemble: Ensemble,
    result: output.Summary,
    apply: Apply,
) -> tuple[Comparison | None, list[RunAgreement]]:
    if found is None:
        return None, []
    context.say(f"  true object: {found.path}")
    factors = [ensemble.volumes[i].scaling_factor for i in ensemble.accepted]
    comparison = compare(ball, result.average.density, float(np.mean(factors)), truth_of(found.model, ball))

    def agreement(position: int) -> RunAgreement:
        candidate = inputs.candidates[position]
        stored: NDArray = inputs.source(candidate).load(candidate.key).density
        return compare_run(ball, stored, ensemble.volumes[position], comparison)

    return comparison, list(apply(agreement, ensemble.accepted))
