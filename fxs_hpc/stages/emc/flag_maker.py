"""Which engine made the iter_flag folders in prob_dir: low-res-emc and local-update write there one after the other, and so do the halves.

Every state.h5 names its maker (`stage` and `half` of the keys of the run). A folder without one is of the reference program, or older;
it counts for whoever asks.
"""

from pathlib import Path

from fxs_hpc.errors import UsageError
from fxs_hpc.files.emc import emc_state
from fxs_hpc.stages.emc.flag_folder import flag_folders

LOW_RES_EMC = "low-res-emc"
LOCAL_UPDATE = "local-update"
PUT_AWAY = {LOW_RES_EMC: "move-recon-files", LOCAL_UPDATE: "move-high-recon-files"}


def maker_keys(stage: str, half: str | None) -> dict[str, str | None]:
    """What a state says of its maker."""
    return {"stage": stage, "half": half}


def others(results: Path, stage: str, half: str | None) -> dict[int, str]:
    """Numbers of the iter_flag folders that another engine, or another half, has made, with the name of that stage."""
    found = {}
    for number, folder in flag_folders(results).items():
        keys = emc_state.keys(folder / emc_state.NAME)
        if keys.get("stage", stage) != stage or keys.get("half", half) != half:
            found[number] = str(keys["stage"])
    return found


def refuse_others(results: Path, stage: str, half: str | None) -> None:
    """Refuse to go on, or to put away, what another engine or another half has begun.

    Raises
    ------
    UsageError
        Names the folder, its maker, and the command that puts it away.
    """
    found = others(results, stage, half)
    if found:
        number, maker = max(found.items())
        of = emc_state.keys(flag_folders(results)[number] / emc_state.NAME).get("half")
        raise UsageError(
            f"{results}: iter_flag-{number} was made by {maker} of {_whose(of)}, not by {stage} of {_whose(half)}. Finish that run with "
            f"--resume and put it away with `fxs-hpc emc {PUT_AWAY[maker]} config{f'-{of}' if of else ''}.ini`"
        )


def _whose(half: str | None) -> str:
    return f"half {half}" if half else "all frames"
