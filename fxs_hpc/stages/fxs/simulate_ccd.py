"""simulate_ccd: shapes -> density -> intensity -> invariants -> cross-correlations, in space or in the plane.

The density is sampled at the grid points. Where the settings leave the angular grid open it is free of aliasing: the intensity of
an amplitude of order L has exact coefficients up to L. Hankel weights are computed on the fly (half a second at N = 512, L = 128):
no weight files are written. The model is cut to its own radius in model_density.vts; ccd.h5 holds it on the whole grid.
"""

import math
from pathlib import Path

from fxs_hpc.config.simulate_ccd import SimulateCcd
from fxs_hpc.files.ccd import write_ccd
from fxs_hpc.fluctuation.shapes import outer_radius
from fxs_hpc.stages.cores import limited
from fxs_hpc.stages.fxs import settings_copy
from fxs_hpc.stages.fxs.ball_simulation import BallSimulation, ball_simulation
from fxs_hpc.stages.fxs.context import Context, Plan
from fxs_hpc.stages.fxs.disc_simulation import DiscSimulation, disc_simulation


def simulation(settings: SimulateCcd) -> BallSimulation | DiscSimulation:
    """The simulation that the settings ask for. Raises `SettingsError` if they are impossible."""
    return ball_simulation(settings) if settings.dimensions == 3 else disc_simulation(settings)


def plan(settings: SimulateCcd, context: Context) -> Plan:
    """Memory and disk that `run` needs, in bytes."""
    return simulation(settings).plan(context.threads)


def _order_note(chosen: BallSimulation | DiscSimulation) -> str | None:
    needed, order = math.ceil(chosen.radial.q_max * outer_radius(chosen.bodies)), chosen.settings.grid.max_order
    if order >= needed:
        return None
    return (
        f"  note: the amplitude of this object has orders up to about {needed} at q_max, grid.max_order is "
        f"{order}: fine detail at high q is cut off"
    )


def run(settings: SimulateCcd, context: Context) -> Path:
    """Simulate and write ccd.h5 with its companions; returns the result folder."""
    chosen = simulation(settings)
    note = _order_note(chosen)
    if note:
        context.say(note)
    workspace, options = context.workspace, settings.IO.files.ccd.options
    number = workspace.next_run("ccd_archive")
    target = workspace.file("ccd", run=number)
    cores = context.threads if isinstance(settings.n_processes, bool) else max(1, settings.n_processes)
    with limited(min(context.threads, cores)) as threads:
        found = chosen.simulated(context, number, threads)
        context.say(f"  invariants of orders 0..{settings.grid.max_order} at {len(found.data.q)} q up to {chosen.radial.q_max:.6g} 1/A")
        if options.save_settings:
            settings_copy.write(target.parent, "settings.yaml", settings, context, seed=settings.seed)
        write_ccd(target, found.data, found.blocks, found.model)
    method = f" by {settings.cross_correlation.method}" if settings.dimensions == 3 else ""
    context.say(f"  correlations{method} in {target.name}, {target.stat().st_size / 1e9:.2g} GB")
    if options.save_symlink:
        workspace.link(target, workspace.file("ccd_symlink"))
    return target.parent
