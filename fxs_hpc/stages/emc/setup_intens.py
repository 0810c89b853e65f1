"""`setup-intens`: the intensity that the high resolution stage starts from."""

from fxs_hpc.config.emc.orientation import Lattice
from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.emc.extended_intensity import extended_intensity
from fxs_hpc.files.emc import intensity
from fxs_hpc.stages.emc import emc_inputs, inputs
from fxs_hpc.stages.emc.context import Context
from fxs_hpc.stages.emc.derived import record
from fxs_hpc.stages.emc.finished_runs import LOW, last_flag, newest
from fxs_hpc.stages.emc.setup_quat import high_cutoff


def run(context: Context) -> None:
    """Known reflections from the newest low resolution run, new ones at random on their scale (local-update symmetrises)."""
    keys = context.config.section(Reconstruction)
    source = last_flag(newest(context, LOW), "finish_intensity.bin")
    geometry = inputs.geometry(context)
    low, _ = emc_inputs.model(context, geometry, context.config.section(Lattice).res_cutoff)
    high, _ = emc_inputs.model(context, geometry, high_cutoff(context))
    values = intensity.read(source / "finish_intensity.bin", int(low.reflections.first[-1]))
    start = extended_intensity(low.reflections, values, high.reflections, (keys.start_seed,))
    target = context.config.path(keys.start_intens_file)
    intensity.write(target, start)
    record(context, "setup-intens", source=source, cutoff=high_cutoff(context), start_intens_file=target, seed=keys.start_seed)
    known = int((low.reflections.numbers(high.reflections.hkl) >= 0).sum())
    context.say(
        f"{target}: {known} reflections of {source}, {high.reflections.count - known} new ones on the scale of the outer known ones"
    )
