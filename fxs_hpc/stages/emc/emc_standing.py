"""How far a run of EMC has come, by its folder."""

from pathlib import Path

from fxs_hpc.emc.convergence import converged
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.emc import history
from fxs_hpc.stages.emc.flag_folder import flag_folders
from fxs_hpc.stages.emc.flags import Numbering
from fxs_hpc.stages.row import Standing


def run_standing(results: Path, numbering: Numbering, iterations: int, angle: float) -> Standing:
    """Standing of the run whose iter_flag folders lie in `results`."""
    folders = flag_folders(results)
    last = max(folders, default=0)
    if not last:
        return Standing(False, "not begun", 0, iterations)
    try:
        records = [record for record in history.read(results / history.NAME) if record.flag <= last]
    except InputFileError:
        records = []
    made = (last - 1) // numbering.stride + (last % numbering.stride == len(numbering.kinds) % numbering.stride)
    settled = converged(records, angle)
    figure = f"log-likelihood {records[-1].log_likelihood:.7g}" if records else ""
    done = made >= iterations or settled
    return Standing(done, f"iter_flag-{last}{', converged' if settled else ''}", made, iterations, figure)
