"""average: reconstructions -> aligned set -> average, resolution, comparison with the true object."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.average import Average as Settings
from fxs_hpc.errors import DataError, InputFileError
from fxs_hpc.files.average_results import create_average_results
from fxs_hpc.fluctuation import averaging
from fxs_hpc.fluctuation.alignment import Volume, other_hand, prepare
from fxs_hpc.fluctuation.averaging import Candidate
from fxs_hpc.fluctuation.comparison import Comparison, RunAgreement, compare, compare_run
from fxs_hpc.fluctuation.ensemble import Apply, Ensemble, align_ensemble, matching_shells
from fxs_hpc.fluctuation.field_transform import FieldTransform
from fxs_hpc.fluctuation.true_object import truth_of
from fxs_hpc.stages.cores import limited
from fxs_hpc.stages.fxs import average_output as output
from fxs_hpc.stages.fxs import settings_copy
from fxs_hpc.stages.fxs.average_inputs import Inputs, choose, grid_text, working_order
from fxs_hpc.stages.fxs.average_summary import Summary, summarise, summary_lines
from fxs_hpc.stages.fxs.average_views import View, view_of
from fxs_hpc.stages.fxs.context import Context, Plan
from fxs_hpc.stages.fxs.truth import FoundModel, find_model


def plan(settings: Settings, context: Context) -> Plan:
    """Memory and disk that `run` needs, in bytes."""
    try:
        inputs = choose(settings, context)
    except (InputFileError, DataError) as error:
        return Plan(0, 0, (f"cannot be told before the reconstructions exist: {error}",))
    source, count = inputs.sources[0], len(inputs.candidates)
    order, n, points = working_order(source), source.radial.n_points, int(np.prod(source.shape))
    coefficients = 2 * (order + 1) ** (source.dimensions - 1) * n * _item_size(context)
    matrices = 2 * (order + 1) * n**2 * 8
    workers = _workers(settings, context, count)
    memory = 300_000_000 + 4 * coefficients * count + matrices + points * 8 * (20 * workers + 20)
    disk = points * (count * (16 + 24) + 140)
    lines = (f"{count} reconstructions on a grid of {grid_text(source)}, orders to {order}", f"{workers} at a time")
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
        found = find_model(settings.model, inputs.paths, context.workspace, inputs.dimensions)
        view = view_of(inputs.sources[0], np.float32 if context.precision == "single" else np.float64)
    count = len(inputs.candidates)
    context.say(f"  {count} reconstructions, orders to {view.space.l_max}; reference: error {inputs.candidates[0].error:.3g}")
    with limited(1), parallel(_workers(settings, context, count)) as apply:
        ensemble = _aligned(settings, context, inputs, view.space, apply)
        return _results(settings, context, inputs, view, ensemble, found, apply)


def _aligned(settings: Settings, context: Context, inputs: Inputs, space: FieldTransform, apply: Apply) -> Ensemble:
    prepared = _prepared(settings, inputs, space, apply)
    manual = settings.selection.manual_specifier if settings.selection.method == "manual" else None
    order = averaging.reference_order(inputs.candidates, manual)
    if settings.pointinvert_reference:
        prepared[order[0]] = other_hand(space, prepared[order[0]])
    reference = inputs.candidates[order[0]]
    radius = inputs.source(reference).support_radius(reference.key)
    shells = matching_shells(space, prepared[order[0]], settings.find_rotation.r_limit_ids, radius)
    if shells.note:
        context.say(f"  note: {shells.note}")
    limit = settings.alignment_error_limit
    ensemble = align_ensemble(space, prepared, shells.weights, order, limit, settings.max_iterations, apply=apply)
    _report_alignment(context, ensemble, order[0], limit)
    return ensemble


def _prepared(settings: Settings, inputs: Inputs, space: FieldTransform, apply: Apply) -> list[Volume]:
    given = settings.normalize_reconstructions

    def prepared_one(candidate: Candidate) -> Volume:
        stored = inputs.source(candidate).load(candidate.key)
        return prepare(
            space,
            stored.density,
            stored.amplitude,
            settings.center_reconstructions,
            given.mode if given.use else None,
            stored.support if settings.use_masks else None,
            settings.shifted_mask_threshold,
        )

    return list(apply(prepared_one, inputs.candidates))


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
    view: View,
    ensemble: Ensemble,
    found: FoundModel | None,
    apply: Apply,
) -> Path:
    workspace, space, options = context.workspace, view.space, settings.IO.files.average_results.options
    number = workspace.next_run("averaged_results", dimensions=inputs.dimensions)
    file_path = workspace.file("average_results", dimensions=inputs.dimensions, run=number)
    target = output.Destination(workspace, number, view, options)
    kept = [ensemble.volumes[i] for i in ensemble.accepted]
    with create_average_results(file_path) as file:
        file.grids(space.radial, inputs.sources[0].angular)
        keys = [(candidate.file, candidate.key) for candidate in inputs.candidates]
        file.inputs(inputs.paths, keys, np.array([volume.scaling_factor for volume in ensemble.volumes]))
        average = averaging.average(space, kept, apply, lambda i, fields: output.write_aligned(file, target, i, fields))
        result = summarise(settings, space, ensemble, average, inputs.candidates)
        comparison, runs = _comparison(found, context, inputs, space, ensemble, result, apply)
        output.write_results(file, target, ensemble, result, settings.average_normalization_min)
        if comparison is not None:
            output.write_comparison(file, comparison, runs)
        if options.generate_rotation_metric_vtk:
            note = view.write_rotation_metric(file, ensemble, workspace, number)
            if note:
                context.say(f"  note: {note}")
        if options.generate_input_vtk:
            output.write_input_vtk(target, inputs.sources, inputs.candidates)
        output.draw(target, result, comparison, runs)
        if options.save_settings:
            settings_copy.write(file_path.parent, "settings.yaml", settings, context, inputs=inputs.paths)
    for line in summary_lines(result, comparison, runs):
        context.say(line)
    return file_path.parent


def _comparison(
    found: FoundModel | None,
    context: Context,
    inputs: Inputs,
    space: FieldTransform,
    ensemble: Ensemble,
    result: Summary,
    apply: Apply,
) -> tuple[Comparison | None, list[RunAgreement]]:
    if found is None:
        return None, []
    context.say(f"  true object: {found.path}")
    factors = [ensemble.volumes[i].scaling_factor for i in ensemble.accepted]
    comparison = compare(space, result.average.density, float(np.mean(factors)), truth_of(found.model, space))

    def agreement(position: int) -> RunAgreement:
        candidate = inputs.candidates[position]
        stored: NDArray = inputs.source(candidate).load(candidate.key).density
        return compare_run(space, stored, ensemble.volumes[position], comparison)

    return comparison, list(apply(agreement, ensemble.accepted))
