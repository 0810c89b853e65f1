"""Which launcher starts MPI ranks here: tried out, because a wrong one starts N lonely ranks and exits with 0.

Order of the candidates inside a SLURM allocation: the mpirun of the MPI library that mpi4py loads, then `srun --mpi=pmix`, then
`srun --mpi=pmi2`; elsewhere mpirun.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fxs_hpc.cluster.environment import for_launcher
from fxs_hpc.errors import UsageError

AUTO = "auto"
PATIENCE = 120
"""Seconds for a launcher to start its ranks."""

PROBE = (
    "from mpi4py import MPI; w = MPI.COMM_WORLD; "
    "print('fxs-hpc-probe', w.size, w.Split_type(MPI.COMM_TYPE_SHARED).size, MPI.Get_library_version().split(',')[0], flush=True)"
)
_ANSWER = re.compile(r"fxs-hpc-probe (\d+) (\d+) (.*)")


@dataclass(frozen=True)
class Launcher:
    """How ranks are started: words before the program; what tried ones did instead."""

    words: tuple[str, ...]
    library: str = ""
    refused: tuple[str, ...] = ()

    def __str__(self) -> str:
        """For the log."""
        tried = f" (not {'; not '.join(self.refused)})" if self.refused else ""
        return f"{shlex.join(self.words)}{f', {self.library}' if self.library else ''}{tried}"


def program(words: Sequence[str]) -> list[str]:
    """Command of one rank that runs `fxs-hpc WORDS`; an exception in one rank ends them all."""
    return [sys.executable, "-m", "mpi4py", "-m", "fxs_hpc", *words]


def launcher(ranks: int, setting: str, nodes: int = 1) -> Launcher:
    """The launcher that starts `ranks` ranks that know each other.

    Parameters
    ----------
    setting : str
        `auto`, or words such as `mpirun` or `srun --mpi=pmix`; the number of ranks is put behind them.

    Raises
    ------
    UsageError
        None does; says what each did.
    """
    return _found(ranks, setting, nodes, "SLURM_JOB_ID" in os.environ)


@cache
def _found(ranks: int, setting: str, nodes: int, allocated: bool) -> Launcher:
    refused: list[str] = []
    for words in candidates(ranks, setting, allocated):
        answer = probe(words, ranks, nodes)
        if answer.startswith("ok "):
            return Launcher(words, answer.removeprefix("ok "), tuple(refused))
        refused.append(f"{shlex.join(words)}: {answer}")
    found = "; ".join(refused) or "there is no mpirun on the path"
    raise UsageError(
        f"no launcher starts {ranks} MPI ranks here: {found}. `fxs-hpc doctor` says what is missing; "
        "`launcher = ...` under [slurm] in config.ini names one; `ranks = 1` under [run] does without"
    )


def candidates(ranks: int, setting: str, allocated: bool) -> list[tuple[str, ...]]:
    """Commands worth a try."""
    if setting not in ("", AUTO):
        words = shlex.split(setting)
        return [(*words, *_options(words[0], ranks))]
    beside = Path(sys.executable).with_name("mpirun")
    paths = [str(beside)] if beside.exists() else []
    paths += [path for path in (shutil.which("mpirun"), shutil.which("mpiexec")) if path and path not in paths]
    found = [(path, *_options(path, ranks)) for path in paths]
    if allocated and shutil.which("srun"):
        found += [("srun", f"--mpi={kind}", *_options("srun", ranks)) for kind in mpi_plugins() if kind in ("pmix", "pmi2")]
    return found


def probe(words: Sequence[str], ranks: int, nodes: int = 1) -> str:
    """`ok LIBRARY` if the launcher `words` starts `ranks` ranks in one world over `nodes` nodes; else what it did."""
    try:
        result = subprocess.run(
            [*words, sys.executable, "-m", "mpi4py", "-c", PROBE],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=launch_environment(),
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"hangs for {PATIENCE} s"
    except OSError as error:
        return f"cannot be started ({error.strerror})"
    return judged(_ANSWER.findall(result.stdout), result.returncode, result.stderr, ranks, nodes)


def judged(answers: Sequence[tuple[str, str, str]], code: int, errors: str, ranks: int, nodes: int) -> str:
    """What to think of the ranks' answers (size of the world, of the node, library)."""
    if code or not answers:
        last = [line for line in errors.splitlines() if line.strip(" -")]
        return f"fails (exit status {code}{f': {last[-1].strip()}' if last else ''})"
    sizes = {int(size) for size, _, _ in answers}
    if len(answers) != ranks or sizes != {ranks}:
        return f"starts {len(answers)} ranks that see {', '.join(map(str, sorted(sizes)))} of {ranks}"
    if round(sum(1 / int(node) for _, node, _ in answers)) != nodes:
        return f"ranks of one node do not share memory (groups of {answers[0][1]})"
    return f"ok {answers[0][2].strip()}"


def launch_environment() -> dict[str, str]:
    """Environment for a launcher."""
    environment = for_launcher(os.environ)
    # UCX has no one-sided transport for shared memory on many machines, and says so on every start.
    environment.setdefault("OMPI_MCA_osc", "^ucx")
    if os.geteuid() == 0:
        for name in ("OMPI_ALLOW_RUN_AS_ROOT", "PRTE_ALLOW_RUN_AS_ROOT"):
            environment[name] = environment[f"{name}_CONFIRM"] = "1"
    return environment


def mpi_plugins() -> list[str]:
    """What `srun --mpi=list` names."""
    try:
        result = subprocess.run(["srun", "--mpi=list"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = (result.stdout + result.stderr).splitlines()
    return [line.strip() for line in lines if line.startswith(("\t", " ")) and " " not in line.strip()]


@cache
def flavour(path: str) -> str:
    """`open` (Open MPI), `hydra` (MPICH, Intel) or ``."""
    try:
        text = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False, env=launch_environment()).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "open" if re.search("open ?mpi|open ?rte|prrte|prte", text, re.I) else "hydra" if re.search("hydra|intel", text, re.I) else ""


def _options(name: str, ranks: int) -> tuple[str, ...]:
    count: Mapping[str, str] = {"srun": "-n"}
    wanted = (count.get(Path(name).name, "-np"), str(ranks))
    if Path(name).name in ("mpirun", "mpiexec") and flavour(name) == "open":
        # Ranks have threads, and several runs may share a machine: binding would put them on the same cores.
        return (*wanted, "--oversubscribe", "--bind-to", "none")
    return wanted
