"""Body of a job: what submitit calls by name on the cluster, with plain words, so that no other version has to read our objects."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from fxs_hpc.cluster import child
from fxs_hpc.errors import FxsError

ENDED = 143
"""Exit status of what SIGTERM has ended."""


class JobError(FxsError):
    """The command of a job failed."""


def main(words: Sequence[str]) -> int:
    """Run `fxs-hpc WORDS` in a process of its own, with the signals of this one.

    Raises
    ------
    JobError
        It failed; the job is to be seen as failed by whatever waits for it.
    """
    _remove_stale_files()
    print(f"cores of this job: {len(os.sched_getaffinity(0))}", flush=True)
    outcome = child.run([sys.executable, "-m", "fxs_hpc", *words], dict(os.environ), gentle=child.TIME_IS_UP[0])
    if outcome.ended_from_outside:
        # Cancelled, or put back into the queue: this is no result, and nothing that submitit should keep as one.
        sys.exit(ENDED)
    if outcome.code:
        raise JobError(f"fxs-hpc {' '.join(words)}: exit status {outcome.code}; its messages are above")
    return outcome.code


def _remove_stale_files() -> None:
    """submitit refuses for ever to write a result where a killed start of the same job has left its temporary file."""
    folder, number = os.environ.get("SUBMITIT_FOLDER"), os.environ.get("SLURM_JOB_ID")
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    name = f"{array}_{task}" if array else number
    if folder and name:
        for path in Path(folder).glob(f"{name}_*.save_tmp"):
            path.unlink(missing_ok=True)
