"""rej-frames/frames.csv: what became of each reduced frame, and why.

Columns: frame (reduced order), raw (number of the raw frame), phi, peaks (number looked at), explained (share of them that the best
orientation explains), probability (of the best orientation), verdict.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fxs_hpc.files.atomic import replacing


class FrameVerdict(NamedTuple):
    """One line; `explained` is NaN where the frame has no orientation."""

    frame: int
    raw: int
    phi: float
    peaks: int
    explained: float
    probability: float
    verdict: str


def write(path: Path, frames: Sequence[FrameVerdict]) -> None:
    """Write the table."""
    with replacing(path) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(FrameVerdict._fields)
        writer.writerows(
            (frame.frame, frame.raw, f"{frame.phi:.5e}", frame.peaks, f"{frame.explained:.4f}", f"{frame.probability:.4f}", frame.verdict)
            for frame in frames
        )
