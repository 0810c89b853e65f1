"""Text of jobs, by pure functions: parameters of submitit, and plain sbatch scripts for those who want only that."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from fxs_hpc.cluster.request import Request
from fxs_hpc.stages.row import Row

EARLIEST, LATEST = 10, 120
"""Seconds before the end of the wall time at which a job is asked to stop: a tenth of it, within these."""

OFTEN_EDITED = ("partition", "account", "qos", "mem", "gres", "constraint")


def notice(request: Request) -> int:
    """Seconds before the end of the wall time at which the job is told."""
    return int(max(EARLIEST, min(LATEST, request.seconds / 10)))


def dependency(after_success: Sequence[str] = (), after_end: Sequence[str] = ()) -> str:
    """Value of sbatch's --dependency; numbers of jobs that must have succeeded, and of those that must only be over."""
    kinds = (("afterok", after_success), ("afterany", after_end))
    return ",".join(":".join((kind, *numbers)) for kind, numbers in kinds if numbers)


def submitit_parameters(request: Request, name: str, waits_for: str = "", tasks: int = 1) -> dict[str, Any]:
    """Parameters of a `submitit.SlurmExecutor`.

    The job is Python itself in the batch step (no srun around it: an mpirun inside would wait for the step's own resources for ever),
    reached by the signal that announces the end of its time; a job whose parent has failed is removed instead of waiting for ever.
    """
    options = {**request.options, "requeue": True, "signal": f"B:USR2@{notice(request)}"}
    if waits_for:
        options |= {"dependency": waits_for, "kill-on-invalid-dep": "yes"}
    return {
        "job_name": name,
        "time": int(request.seconds // 60),
        "use_srun": False,
        "stderr_to_stdout": True,
        "wckey": None,
        "array_parallelism": tasks,
        "setup": setup_lines(request),
        "additional_parameters": options,
    }


def setup_lines(request: Request) -> list[str]:
    """What runs before the stage; a failure ends the job."""
    return ["set -e", request.setup] if request.setup else ["set -e"]


def script(row: Row, request: Request, config_name: str = "config.ini") -> str:
    """A plain sbatch script of one stage, to be read and edited."""
    lines = ["#!/bin/bash", f"# {row.name}: {row.summary}"]
    lines += [f"# In a working directory made by `fxs-hpc init`: sbatch jobs/{row.name}.sbatch", f"#SBATCH --job-name={row.name}"]
    options = dict(request.options)
    lines += [_option(name, value) for name, value in options.items() if value]
    lines += [f"##SBATCH --{name}=..." for name in OFTEN_EDITED if name not in options]
    lines += ["#SBATCH --output=%x-%j.log", "#SBATCH --open-mode=append", "#SBATCH --requeue"]
    lines += ["# Asked to stop in time, it goes back into the queue and on from where it was."]
    lines += [f"#SBATCH --signal=B:USR1@{notice(request)}", "", *setup_lines(request)]
    if not request.setup:
        lines += ["# module load openmpi", "# . .venv/bin/activate"]
    return "\n".join([*lines, f"exec {shlex.join(['fxs-hpc', *stage_words(row, config_name)])}", ""])


def array_script(row: Row, request: Request, tasks: int, config_name: str = "config.ini") -> str:
    """A plain sbatch script of an array stage; `FILE.sbatch collect` is the job that merges what the tasks have finished."""
    text = script(row, request, config_name)
    share = f"exec fxs-hpc {shlex.join(stage_words(row, config_name))} --share $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT\n"
    head, _, _ = text.rpartition("exec ")
    head = head.replace("%x-%j.log", "%x-%A_%a.log").replace(
        f"#SBATCH --job-name={row.name}\n", f"#SBATCH --job-name={row.name}\n#SBATCH --array=0-{tasks - 1}\n"
    )
    return head + share


def collect_script(row: Row, request: Request, config_name: str = "config.ini") -> str:
    """A plain sbatch script of the job behind an array."""
    text = script(row, request, config_name).replace(f"--job-name={row.name}\n", f"--job-name={row.name}-collect\n")
    behind = f"sbatch --dependency=afterany:ARRAY_JOB jobs/{row.name}-collect.sbatch"
    return text.replace(f"sbatch jobs/{row.name}.sbatch", behind).rstrip() + " --collect\n"


def wrapper(row: Row) -> str:
    """A Python script that submits one stage through submitit, to be read and edited."""
    return _WRAPPER.format(name=row.name, summary=row.summary, pipeline=row.pipeline)


def stage_words(row: Row, config_path: str) -> list[str]:
    """Arguments of `fxs-hpc` that run one stage inside a job."""
    return ["run", row.pipeline, "--from", row.name, "--to", row.name, "--config", config_path, "--requeue"]


def _option(name: str, value: str | bool) -> str:
    return f"#SBATCH --{name}" if value is True else f"#SBATCH --{name}={value}"


_WRAPPER = '''"""Submit {name} through submitit: python jobs/{name}.py [config.ini]

{summary}
"""

import sys
from pathlib import Path

from fxs_hpc.cluster.submission import Submission
from fxs_hpc.config import ini

config = ini.load(Path(sys.argv[1] if len(sys.argv) > 1 else "config.ini"))
submission = Submission("{pipeline}", config)
# What the job asks for is in config.ini, [slurm] and [slurm:{name}]; what is written here wins:
submission.override("{name}", {{}})  # for example {{"partition": "gpu", "gres": "gpu:1", "time": "2:00:00"}}
for job in submission.submit("{name}", "{name}"):
    print(job.stage, job.role, "is job", job.number)
'''


def all_texts(requests: Mapping[str, Request], rows: Sequence[Row], tasks: int) -> dict[str, str]:
    """File name in jobs/ -> text, for every stage."""
    texts: dict[str, str] = {}
    for row in rows:
        request = requests[row.name]
        texts[f"{row.name}.py"] = wrapper(row)
        texts[f"{row.name}.sbatch"] = array_script(row, request, tasks) if row.launch == "array" else script(row, request)
        if row.launch == "array":
            texts[f"{row.name}-collect.sbatch"] = collect_script(row, request)
    return texts
