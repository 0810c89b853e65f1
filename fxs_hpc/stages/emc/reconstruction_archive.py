"""Finished reconstructions, put away and found again: prob_dir/low-res-recon-0, -1, ... (high-res-recon-N; -A-N, -B-N of halves)."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from fxs_hpc.errors import InputFileError, UsageError
from fxs_hpc.files.emc import history
from fxs_hpc.stages.emc.flag_folder import flag_folders
from fxs_hpc.stages.emc.intensity_map import MRC, VTI


def archive_name(kind: str, half: str | None) -> str:
    """low-res-recon or high-res-recon, with -A or -B for a half."""
    return f"{kind}{f'-{half}' if half else ''}"


def archives(results: Path, name: str) -> dict[int, Path]:
    """Reconstructions put away under `name`, by number."""
    found = {int(match[1]): path for path in results.glob(f"{name}-*") if (match := re.fullmatch(re.escape(name) + r"-(\d+)", path.name))}
    return dict(sorted(found.items()))


def put_away(results: Path, name: str, files: Sequence[Path]) -> Path:
    """Move all iter_flag folders, and those of `files` that exist, into the next free folder of `name`.

    It gets its final name when all is there; one that was interrupted is gone on with.

    Raises
    ------
    UsageError
        There is nothing to put away.
    """
    unfinished = sorted(results.glob(f".{name}-*.tmp"))
    if not flag_folders(results) and not unfinished:
        raise UsageError(f"{results}: there are no iter_flag folders to put away")
    target = unfinished[0] if unfinished else results / f".{name}-{max(archives(results, name), default=-1) + 1}.tmp"
    target.mkdir(exist_ok=True)
    beside = [results / name for name in (history.NAME, "convergence.png", MRC, VTI)]
    for path in (*flag_folders(results).values(), *beside, *files):
        if path.exists():
            shutil.move(path, target / path.name)
    final = results / target.name.removeprefix(".").removesuffix(".tmp")
    target.rename(final)
    return final


def last_archive(results: Path, name: str) -> Path:
    """The newest reconstruction that was put away.

    Raises
    ------
    InputFileError
        There is none.
    """
    found = archives(results, name)
    if not found:
        raise InputFileError(f"{results}: there is no {name}-0; run `fxs-hpc emc move-recon-files` when the reconstruction has converged")
    return found[max(found)]
