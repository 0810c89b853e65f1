"""extract: cross-correlations, shapes or a density -> rotational invariants B_l -> projection matrices V_l, in space or in the plane."""

from pathlib import Path

from fxs_hpc.config.extract import Extract
from fxs_hpc.files.proj_data import write_proj_data
from fxs_hpc.stages.cores import limited
from fxs_hpc.stages.fxs import extract_matrices, extract_output, settings_copy
from fxs_hpc.stages.fxs.context import Context, Plan
from fxs_hpc.stages.fxs.extract_correlation import CorrelationSource
from fxs_hpc.stages.fxs.extract_files import input_files
from fxs_hpc.stages.fxs.extract_model import DensitySource, ShapesSource
from fxs_hpc.stages.fxs.extract_source import Source


def source_of(settings: Extract, context: Context) -> Source:
    """The way to invariants that the settings choose."""
    if settings.extraction_mode == "shapes":
        return ShapesSource(settings, context)
    if settings.extraction_mode == "density":
        return DensitySource(settings, context)
    return CorrelationSource(settings, context)


def plan(settings: Extract, context: Context) -> Plan:
    """Memory and disk that `run` needs, in bytes; looks into the input file for its size."""
    found = source_of(settings, context).plan(context.threads)
    number, plane = len(settings.cross_correlation.datasets_to_process), settings.dimensions == 2
    matrices = number * (16 if plane else 8) * found.n_q**2 * found.n_orders
    columns = found.n_orders if plane else sum(min(2 * order + 1, found.n_q) for order in range(found.n_orders))
    vectors = number * (16 if plane else 8) * found.n_q * columns
    stored = 0
    if settings.IO.files.invariants.options.save_invariant:
        # Odd orders that are zero take no space; in the plane the errors of the vectors lie beside.
        zero = settings.extraction_mode != "cross_correlation" or settings.cross_correlation.datasets.I1I1.assume_zero_odd_orders
        stored = matrices // (2 if zero else 1) * (3 if plane else 2) // 2
    return Plan(found.memory + matrices * (3 if plane else 2) // 2 + 2 * vectors, stored + matrices // 8 + 2 * vectors, found.lines)


def run(settings: Extract, context: Context) -> Path:
    """Extract and write proj_data.h5 with its companions; returns the result folder."""
    workspace, options = context.workspace, settings.IO.files.invariants.options
    source = source_of(settings, context)
    inputs = input_files(settings, context)
    number = workspace.next_run("invariants_archive")
    target = workspace.file("invariants", run=number)
    with limited(context.threads) as threads:
        found = extract_matrices.found(settings, source.solved(threads), threads)
        if options.plot_first_ccn:
            source.draw_components(target.parent)
    context.say(f"  invariants and projection matrices of orders 0..{found.data.max_order}")
    extract_output.draw(settings, target.parent, found)
    settings_copy.write(target.parent, "extraction_settings.yaml", settings, context, inputs=inputs)
    stored = found if options.save_invariant else found.without_invariants()
    write_proj_data(target, stored.data, stored.squared)
    if options.create_symlink:
        workspace.link(target, workspace.file("invariant_symlink"))
    return target.parent
