"""Environment variables of a job: what another job or launcher has left in them misleads the next one.

A job submitted from inside a job inherits its SLURM_* and asks for resources it has not got; ranks started with another launcher's
PMIX_* wait for a server that is gone; inherited binding puts all ranks on a few cores without a word.
"""

from collections.abc import Mapping

KEPT = ("SLURM_CONF", "OMPI_MCA_", "OMPI_ALLOW_RUN_AS_ROOT", "PRTE_MCA_", "PRTE_ALLOW_RUN_AS_ROOT", "I_MPI_ROOT", "HYDRA_LAUNCHER")
"""What a user sets on purpose; beginnings of names."""
SCHEDULER = ("SLURM_", "SLURMD_", "SUBMITIT_")
LAUNCHER = ("PMIX_", "PMI_", "OMPI_", "PRTE_", "ORTE_", "HYDRA_", "MPI_LOCAL", "MPI_LOCALNRANKS", "I_MPI_")
OF_A_RUN = ("OMPI_MCA_orte_", "OMPI_MCA_ess", "OMPI_MCA_initial_wdir", "OMPI_MCA_pmix", "PRTE_MCA_ess", "PRTE_MCA_prte_")
"""Written by a running launcher under the names of settings."""
RANKED = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_CPU_BIND", "SLURM_CPUS_PER_TASK_STEP", "SLURM_MPI_TYPE")
"""Of one task of a step: not for those that this task starts."""


def for_submission(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without anything of a job or launcher that this process runs in."""
    return _without(environ, (*SCHEDULER, *LAUNCHER))


def for_launcher(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without anything of another launcher, for a launcher of ranks inside an allocation."""
    return _without(environ, (*LAUNCHER, *RANKED))


def _without(environ: Mapping[str, str], beginnings: tuple[str, ...]) -> dict[str, str]:
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(beginnings) or (name.startswith(KEPT) and not name.startswith(OF_A_RUN))
    }
