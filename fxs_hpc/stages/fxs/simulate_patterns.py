"""simulate_patterns: an object -> scattering patterns of it in random orientations, and the truth about them.

Blocks of patterns are shared out over MPI ranks, the patterns of a block over threads. A pattern depends on the seed and its number alone:
whoever makes it, and however often, it is the same, so that an unfinished run goes on where files are missing.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml

from fxs_hpc.config.simulate_patterns import SimulatePatterns
from fxs_hpc.errors import SettingsError
from fxs_hpc.files.atomic import remove_leftovers, replacing
from fxs_hpc.files.pattern_lists import read_raw, write_raw
from fxs_hpc.files.simulated_patterns import TRUTH, PatternTruth, raw_path, stack_path, write_pattern, write_stack, write_truth
from fxs_hpc.fluctuation import pattern_simulation
from fxs_hpc.fluctuation.correlation import CrossCorrelation
from fxs_hpc.fluctuation.pattern_simulation import Amplitudes, Experiment
from fxs_hpc.parallel import partition
from fxs_hpc.parallel.communicator import first
from fxs_hpc.parallel.threads import over
from fxs_hpc.report.patterns import plot_examples
from fxs_hpc.stages.cores import limited
from fxs_hpc.stages.duration import duration
from fxs_hpc.stages.emc.progress import shown
from fxs_hpc.stages.fxs import pattern_objects, settings_copy
from fxs_hpc.stages.fxs.context import Context, Plan
from fxs_hpc.stages.fxs.finished import differing
from fxs_hpc.stages.fxs.pattern_inputs import object_files
from fxs_hpc.stages.fxs.pattern_objects import Subject, Target
from fxs_hpc.stages.fxs.plane_target import plane_subject
from fxs_hpc.stages.fxs.space_target import space_subject

PARALLEL = True
"""All ranks take part."""

_EXAMPLES = 6
_RAW_BLOCK = 64
_IRRELEVANT = ("IO", "n_processes", "n_patterns", "settings_version", "provenance")
"""What patterns that exist already do not depend on."""


@dataclass(frozen=True)
class _Run:
    """One run: where it writes to, what it shoots at."""

    folder: Path
    amplitudes: Amplitudes
    experiment: Experiment
    settings: SimulatePatterns


def plan(settings: SimulatePatterns, context: Context) -> Plan:
    """Memory and disk that `run` needs, in bytes."""
    subject = _subject(settings, context)
    seeing = pattern_objects.usable(settings, context)
    q_max = pattern_objects.largest_q(settings)
    points, memory = subject.grid(q_max)
    pixels = settings.image_dimensions[0] * settings.image_dimensions[1]
    each = 4 * pixels if settings.IO.files.patterns.options.format == "raw" else pixels // 2
    lines = (
        f"{settings.n_patterns} patterns of {settings.image_dimensions[0]} x {settings.image_dimensions[1]} pixels, "
        f"{seeing.mean():.1%} of them usable, q to {q_max:.4g} 1/A in the corners",
        f"object of radius {subject.radius:.4g} A; amplitudes on {points} points",
    )
    return Plan(250_000_000 + memory + 200 * pixels * context.threads, settings.n_patterns * each, lines)


def run(settings: SimulatePatterns, context: Context) -> Path:
    """Simulate on all ranks; returns the result folder."""
    started, ranks = time.monotonic(), context.ranks
    threads = context.threads if isinstance(settings.n_processes, bool) else min(settings.n_processes, context.threads)
    with limited(threads) as workers:
        folder = first(ranks, lambda: _folder(settings, context))
        subject = first(ranks, lambda: _subject(settings, context))
        target = subject.target(pattern_objects.largest_q(settings), ranks)
        experiment = first(ranks, lambda: _truth(settings, context, folder, subject, target, workers))
        whole = _Run(folder, target.amplitudes, experiment, settings)
        _announce(settings, context, subject, experiment)
        blocks = partition.interleaved(_block_count(settings), ranks.rank, ranks.size)
        for block in shown(blocks, len(blocks), "patterns", ranks, context.say):
            _make(whole, block, workers)
        ranks.barrier()
        first(ranks, lambda: _finish(whole, context, started))
    return folder


def _folder(settings: SimulatePatterns, context: Context) -> Path:
    """Folder to write to: a new one, or with `--resume` that of the newest run without a list that had these settings."""
    workspace, name = context.workspace, settings.IO.files.patterns.name
    first_folder = workspace.folder("patterns_archive", run=0)
    begun = [
        folder
        for folder in first_folder.parent.parent.glob("*/run_*")
        if (folder / "settings.yaml").is_file() and not (folder / name).exists()
    ]
    if context.resume and begun:
        folder = max(begun, key=lambda path: (path / "settings.yaml").stat().st_mtime)
        stored = yaml.safe_load((folder / "settings.yaml").read_text(encoding="utf-8"))
        different = differing(stored, settings, _IRRELEVANT)
        if different:
            raise SettingsError(
                f"{folder}: was begun with other values of {', '.join(different)}; restore them to resume, or start anew without --resume"
            )
        remove_leftovers(folder)
        context.say(f"  {len(list(folder.glob('pattern*')))} files of patterns were made before")
        return folder
    run_number = 0
    while any(workspace.folder("patterns_archive", run=run_number).glob("*")):
        run_number += 1
    folder = workspace.folder("patterns_archive", run=run_number)
    settings_copy.write(folder, "settings.yaml", settings, context, inputs=object_files(settings, context), seed=settings.seed)
    return folder


def _subject(settings: SimulatePatterns, context: Context) -> Subject:
    return space_subject(settings, context) if settings.dimensions == 3 else plane_subject(settings, context)


def _truth(settings: SimulatePatterns, context: Context, folder: Path, subject: Subject, target: Target, workers: int) -> Experiment:
    """The experiment with its scale; writes truth.h5 and the mask."""
    experiment = pattern_objects.experiment(settings, context, subject.experiment)
    q = np.linspace(0, pattern_objects.largest_q(settings), settings.truth.n_radial_points)
    invariants, mean = target.invariants(q, settings.truth.max_order, workers)
    if settings.photons_per_particle:
        # The mean intensity falls by orders of magnitude: its steps are fine, and few orders need no quadrature beyond order 0.
        fine = np.linspace(0, q[-1], 16 * len(q))
        smooth = target.invariants(fine, 0, workers)[1]
        scale = pattern_simulation.scale_of_photons(settings.photons_per_particle, experiment, fine, smooth)
    else:
        scale = pattern_simulation.scale_of_fluence(float(settings.fluence), experiment.detector, subject.dimensions)
    experiment = replace(experiment, scale=scale)
    number, energy = settings.n_particles, 1 + settings.pulse_energy_spread**2
    invariants *= scale**2 * number * energy
    mean = scale * number * mean
    invariants[0] = target.mean_invariant(mean)
    data = CrossCorrelation(subject.dimensions, q, np.zeros(0), settings.wavelength, mean, invariants=invariants, n_particles=number)
    write_truth(folder / TRUTH, data, target.model(settings.truth.n_shells), _draws(settings, experiment))
    with replacing(folder / "mask.raw") as temporary:
        write_raw(temporary, experiment.usable.astype(np.float32))
    return experiment


def _draws(settings: SimulatePatterns, experiment: Experiment) -> PatternTruth:
    """Orientations and energies of all patterns, drawn again as `shot` draws them."""
    drawn = [pattern_simulation.draws(experiment, settings.seed, number)[1:3] for number in range(settings.n_patterns)]
    counts = np.array([len(quaternions) for _, quaternions in drawn], np.int64)
    orientations = np.full((len(drawn), max(1, int(counts.max())), 4), np.nan)
    for number, (_, quaternions) in enumerate(drawn):
        orientations[number, : len(quaternions)] = quaternions
    return PatternTruth(orientations, np.array([energy for energy, _ in drawn]), counts)


def _announce(settings: SimulatePatterns, context: Context, subject: Subject, experiment: Experiment) -> None:
    origin = {"shapes": f"{len(settings.shapes.types)} shapes", "density": settings.density_file, "structure": settings.structure_file}
    context.say(
        f"  {settings.n_patterns} patterns of {settings.n_particles:g} x {origin[settings.object]}, radius {subject.radius:.4g} A; "
        f"{experiment.usable.mean():.1%} of {settings.image_dimensions[0]} x {settings.image_dimensions[1]} pixels, seed {settings.seed}"
    )


def _block_size(settings: SimulatePatterns) -> int:
    options = settings.IO.files.patterns.options
    return options.patterns_per_file if options.format == "hdf5" else _RAW_BLOCK


def _block_count(settings: SimulatePatterns) -> int:
    return -(-settings.n_patterns // _block_size(settings))


def _make(whole: _Run, block: int, workers: int) -> None:
    """Make the patterns of a block that do not exist yet."""
    size, settings = _block_size(whole.settings), whole.settings
    numbers = range(block * size, min((block + 1) * size, settings.n_patterns))

    def image(number: int) -> np.ndarray:
        return pattern_simulation.shot(whole.amplitudes, whole.experiment, settings.seed, number).image

    if settings.IO.files.patterns.options.format == "hdf5":
        path = stack_path(whole.folder, block)
        if not path.exists():
            write_stack(path, over(image, numbers, workers), whole.experiment.usable)
        return
    missing = [number for number in numbers if not raw_path(whole.folder, number).exists()]
    over(lambda number: write_pattern(raw_path(whole.folder, number), image(number)), missing, workers)


def _finish(whole: _Run, context: Context, started: float) -> None:
    """List the patterns, draw some, link."""
    settings, folder, workspace = whole.settings, whole.folder, context.workspace
    options = settings.IO.files.patterns.options
    if options.format == "hdf5":
        names: list[str] = [stack_path(folder, block).name for block in range(_block_count(settings))]
    else:
        names = [raw_path(folder, number).name for number in range(settings.n_patterns)]
    examples = [_example(whole, number) for number in range(min(_EXAMPLES, settings.n_patterns))]
    if options.save_pictures:
        plot_examples(folder / "first_patterns.png", examples, whole.experiment.usable)
    with replacing(folder / settings.IO.files.patterns.name) as temporary:
        temporary.write_text("".join(f"./{name}\n" for name in names), encoding="utf-8")
    if options.save_symlink:
        workspace.link(folder, workspace.file("folder_symlink"))
        workspace.link(folder / settings.IO.files.patterns.name, workspace.file("list_symlink"))
    photons = np.mean([image.sum(dtype=np.float64) for image in examples])
    context.say(
        f"  about {photons:.3g} photons in a pattern, {max(image.max() for image in examples):.3g} in the brightest pixel; "
        f"{len(names)} files after {duration(time.monotonic() - started)}"
    )


def _example(whole: _Run, number: int) -> np.ndarray:
    path = raw_path(whole.folder, number)
    if path.exists():
        return read_raw(path, whole.settings.image_dimensions)
    return pattern_simulation.shot(whole.amplitudes, whole.experiment, whole.settings.seed, number).image
