"""Reconstructions that are over: prob_dir/{low,high}-res-recon[-A|-B]-k, k = 0, 1, ..."""

import re
from pathlib import Path

from fxs_hpc.config.emc.halves import half_of
from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.errors import InputFileError
from fxs_hpc.stages.emc.context import Context
from fxs_hpc.stages.emc.flag_folder import flag_folders

LOW = "low-res-recon"
HIGH = "high-res-recon"


def half(context: Context) -> str | None:
    """'A' or 'B' where config.ini is that of a half."""
    path = context.config.run.path
    return half_of(path.name) if path else None


def finished(folder: Path, kind: str, half: str | None) -> dict[int, Path]:
    """Finished runs of one kind and half in prob_dir by their numbers, ascending."""
    name = re.compile(rf"{kind}{f'-{half}' if half else ''}-(\d+)")
    found = {int(match[1]): path for path in folder.glob(f"{kind}*") if (match := name.fullmatch(path.name))}
    return dict(sorted(found.items()))


def next_folder(folder: Path, kind: str, half: str | None) -> Path:
    """Where the next finished run goes."""
    number = max(finished(folder, kind, half), default=-1) + 1
    return folder / f"{kind}{f'-{half}' if half else ''}-{number}"


def newest(context: Context, kind: str) -> Path:
    """The newest finished run of this config.

    Raises
    ------
    InputFileError
        There is none; says which stage makes it.
    """
    folder = context.config.path(context.config.section(Reconstruction).prob_dir)
    found = finished(folder, kind, half(context))
    if not found:
        stage, own = "low-res-emc" if kind == LOW else "local-update", half(context)
        raise InputFileError(f"{folder}: there is no {kind}{f'-{own}' if own else ''}-k; run {stage}, then move-recon-files")
    return list(found.values())[-1]


def last_flag(run: Path, holds: str) -> Path:
    """The last iter_flag folder of a run that holds the file `holds`.

    Raises
    ------
    InputFileError
        None does.
    """
    for folder in reversed(flag_folders(run).values()):
        if (folder / holds).exists():
            return folder
    raise InputFileError(f"{run}: no iter_flag folder holds {holds}; the reconstruction has not come that far")
