"""config-A.ini and config-B.ini: the config of each half of the frames.

They differ from config.ini in the files that belong to a half, whose names get `-A` or `-B` before the suffix.
"""

from collections.abc import Mapping
from pathlib import Path

HALVES = ("A", "B")
KEYS = (
    "mpi_bgfile",
    "mpi_datafile",
    "prob_orien_file",
    "reduced_data_id_file",
    "start_phi_file",
    "start_intens_file",
    "start_prob_dir",
    "fine_quat_file",
    "quat_table_file",
    "local_r2peak_file",
    "local_peak2r_file",
)
"""Keys of files that each half has of its own."""


def half_path(path: Path, half: str) -> Path:
    """`path` of half A or B."""
    return path.with_name(f"{path.stem}-{half}{path.suffix}")


def half_config_name(name: str, half: str) -> str:
    """config.ini -> config-A.ini."""
    return half_path(Path(name), half).name


def half_config(text: str, half: str, values: Mapping[str, Path]) -> str:
    """Text of the config of one half.

    Parameters
    ----------
    text : str
        The config of all frames; comments and other keys stay as they are.
    half : 'A' or 'B'
    values : mapping
        Key -> path of all frames, for every key of `KEYS` that has one; those that `text` does not set are added at the end.
    """
    lines, given = [], set()
    for line in text.splitlines():
        key, equals, _ = (part.strip() for part in line.partition("="))
        if equals and key in values:
            given.add(key)
            line = f"{key} = {half_path(values[key], half)}"
        lines.append(line)
    added = [f"{key} = {half_path(path, half)}" for key, path in values.items() if key not in given]
    return "\n".join([*lines, *([f"\n[half-{half}]", *added] if added else [])]) + "\n"


def half_of(config_name: str) -> str | None:
    """'A' or 'B' for the config of a half, by its name (config-A.ini); None for that of all frames."""
    stem = Path(config_name).stem
    return stem[-1] if stem[-2:] in ("-A", "-B") else None
