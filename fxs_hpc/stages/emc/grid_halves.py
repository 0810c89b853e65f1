"""Two halves of the frames through the documents' way to high resolution: every stage on the grid, for half A and then for half B.

The stages, files and folders are those of the documents: config-A.ini, start-phi-A.dat, start_intensity-A.bin, low-res-recon-A-N,
high-res-recon-A-N and so on. The halves share nothing: each has its own random intensity, scale factors, rejected frames and fine
rotations. What is finished is noted in cal-CC/grid-halves.json, and a run that was cut off goes on from there.
"""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from fxs_hpc.config.emc.halves import HALVES, half_path
from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.config.emc.local import LocalUpdate
from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.config.emc.reduction import Reduction
from fxs_hpc.errors import UsageError
from fxs_hpc.files.atomic import write_text
from fxs_hpc.parallel.communicator import first
from fxs_hpc.stages.emc import (
    init_phi,
    local_update,
    low_res_emc,
    move_high_recon_files,
    move_recon_files,
    rej_frames,
    setup_ematrix,
    setup_intens,
    setup_quat,
    split_data,
)
from fxs_hpc.stages.emc.context import Context
from fxs_hpc.stages.emc.flag_folder import flag_folders
from fxs_hpc.stages.emc.flag_maker import LOCAL_UPDATE, LOW_RES_EMC, others
from fxs_hpc.stages.emc.half_context import half_config, of_half, split_before
from fxs_hpc.stages.emc.inputs import alone
from fxs_hpc.stages.row import Standing

NOTES = "cal-CC/grid-halves.json"
SPLIT, COMPARED = "split-data", "cal-CC"
Step = Callable[[Context, float | None], bool]


def run(context: Context, compare: Callable[[Context], None], resume: bool = False, time_limit: float | None = None) -> None:
    """Split, carry both halves through all stages, compare them.

    Parameters
    ----------
    compare : callable
        The comparison, `cal_cc.run` of the high resolution on the grid; called on rank 0.
    resume : bool
        Go on with what is there.
    time_limit : float or None
        Seconds after which the run must have stopped.
    """
    end = None if time_limit is None else time.time() + time_limit
    done = first(context.ranks, lambda: _begin(context, resume))
    if SPLIT not in done:
        split_data.run(context)
        first(context.ranks, lambda: _start_phi(context))
        _note(context, done, SPLIT)
    for half in HALVES:
        for name, step in STEPS.items():
            if f"{half} {name}" in done:
                continue
            context.say(f"half {half}: {name}")
            if not step(of_half(context, half), end and max(1.0, end - time.time())):
                return
            _note(context, done, f"{half} {name}")
    first(context.ranks, lambda: compare(alone(context)))
    _note(context, done, COMPARED)


def standing(keys: EmcConfig) -> Standing:
    """How many iterations of both halves there are, and whether they were compared."""
    done = _finished(keys)
    wanted = {LOW_RES_EMC: keys.section(Reconstruction).low_res_iterations, LOCAL_UPDATE: keys.section(LocalUpdate).local_iterations}
    made = 0
    for half in HALVES if split_before(keys.run) and done else ():
        own = half_config(keys.run, half)
        made += sum(count if f"{half} {stage}" in done else min(count, _iterations(own, stage, half)) for stage, count in wanted.items())
    words = f"{len(done)} of {2 + len(HALVES) * len(STEPS)} steps on the grid" if done else "not begun"
    return Standing(COMPARED in done, words, made, len(HALVES) * sum(wanted.values()))


def _begin(context: Context, resume: bool) -> list[str]:
    """Steps that are finished and stay; without `resume` none."""
    done = _finished(context.config)
    if resume:
        return done
    results = context.config.path(context.config.section(Reconstruction).prob_dir)
    if there := flag_folders(results):
        raise UsageError(
            f"{results}: iter_flag-{max(there)} is there already. `--resume` goes on with the halves; a run of all frames has to be put "
            "away first (`fxs-hpc emc move-recon-files`)"
        )
    if done and COMPARED not in done and split_before(context.config.run):
        for half in HALVES:
            keys = half_config(context.config.run, half)
            # What an unfinished run has left there may be of the high resolution.
            keys.path(keys.section(Reconstruction).start_intens_file).unlink(missing_ok=True)
    (context.home / NOTES).unlink(missing_ok=True)
    return []


def _finished(keys: EmcConfig) -> list[str]:
    """Steps noted as finished, with the data as they are now."""
    notes, data = keys.home / NOTES, keys.path(keys.section(Reduction).mpi_datafile)
    if not notes.exists() or (data.exists() and data.stat().st_mtime > notes.stat().st_mtime):
        return []
    finished: list[str] = json.loads(notes.read_text(encoding="utf-8"))["finished"]
    return finished


def _note(context: Context, done: list[str], step: str) -> None:
    done.append(step)
    first(context.ranks, lambda: write_text(context.home / NOTES, json.dumps({"finished": done}, indent=1)))


def _start_phi(context: Context) -> None:
    """Scale factors that the halves begin with: an earlier run has put its own away, or has left out frames in them."""
    path = context.config.path(context.config.section(Reconstruction).start_phi_file)
    if (context.home / init_phi.PEAK_FILES).exists() or not all(half_path(path, half).exists() for half in HALVES):
        init_phi.write_halves(alone(context))


def _iterations(keys: EmcConfig, stage: str, half: str) -> int:
    """Iterations of the run of `stage` that lies in prob_dir now."""
    results = keys.path(keys.section(Reconstruction).prob_dir)
    own = set(flag_folders(results)) - set(others(results, stage, half))
    both = stage == LOW_RES_EMC or keys.section(LocalUpdate).local_phi
    return max(own, default=0) // 2 if both else max(own, default=0)


def _low_res(context: Context, time_limit: float | None) -> bool:
    iterations = context.config.section(Reconstruction).low_res_iterations
    return low_res_emc.run(context, iterations, resume=_begun(context), until_converged=True, time_limit=time_limit)


def _local(context: Context, time_limit: float | None) -> bool:
    iterations = context.config.section(LocalUpdate).local_iterations
    return local_update.run(context, iterations, resume=_begun(context), until_converged=True, time_limit=time_limit)


def _begun(context: Context) -> bool:
    """Whether flags of this run lie there; those of others are refused when it goes on."""
    results = context.config.path(context.config.section(Reconstruction).prob_dir)
    return first(context.ranks, lambda: bool(flag_folders(results)))


def _by_one(stage: Callable[[Context], None]) -> Step:
    """A stage for one rank as a step."""

    def step(context: Context, time_limit: float | None) -> bool:
        first(context.ranks, lambda: stage(alone(context)))
        return True

    return step


def _put_away(stage: Callable[[Context], None]) -> Step:
    """Putting results away as a step: nothing where it was done just before the run was cut off."""

    def step(context: Context) -> None:
        results: Path = context.config.path(context.config.section(Reconstruction).prob_dir)
        if flag_folders(results) or list(results.glob(".*-recon-*.tmp")):
            stage(context)

    return _by_one(step)


def _maps(context: Context, time_limit: float | None) -> bool:
    setup_ematrix.run(context)
    return True


STEPS: Mapping[str, Step] = {
    LOW_RES_EMC: _low_res,
    "move-recon-files": _put_away(move_recon_files.run),
    "rej-frames": _by_one(rej_frames.run),
    "setup-quat": _by_one(setup_quat.run),
    "setup-intens": _by_one(setup_intens.run),
    "setup-Ematrix": _maps,
    LOCAL_UPDATE: _local,
    "move-high-recon-files": _put_away(move_high_recon_files.run),
}
"""What every half goes through, in order; a step says whether it came to its end."""
