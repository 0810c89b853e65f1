"""What is in each simulated frame: drawn from a seed and the frame's number alone, so that any rank can draw any frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

CRYSTALS = 2
"""Most crystals in a frame."""
_WHOLE_SET = 0


class Kind(IntEnum):
    """What a frame shows."""

    BLANK = 0
    SINGLE = 1
    MULTIPLE = 2
    JUNK = 3


@dataclass(frozen=True)
class Population:
    """Of which kinds the frames are, and how much crystals differ. Spreads are standard deviations.

    Attributes
    ----------
    frames, seed : int
    multiple, junk, blank : float
        Share of the frames with two crystals, with something else than crystals, with background alone.
    scale_spread, background_spread : float
        Of the logarithm of the scale factor phi of a crystal, and of the background's factor; both have the mean 1.
    width_spread : float
        Of the logarithm of the peak width.
    mosaicity, mosaicity_spread : float
        Median of a crystal's angular spread (rad), and the spread of its logarithm.
    cell_spread : float
        Relative spread of the lengths of a, b and c.
    """

    frames: int
    seed: int
    multiple: float = 0.0
    junk: float = 0.0
    blank: float = 0.0
    scale_spread: float = 0.5
    background_spread: float = 0.15
    width_spread: float = 0.0
    mosaicity: float = 0.0
    mosaicity_spread: float = 0.0
    cell_spread: float = 0.0


@dataclass(frozen=True)
class Truth:
    """What frames show; n frames, two places for crystals in each.

    Attributes
    ----------
    kind : i8[n]
        See `Kind`.
    quaternions : f8[n, 2, 4]
        Unit quaternions, scalar first, of the rotations from the laboratory to the crystal.
    phi : f8[n, 2]
        Scale factors; 0 = there is no such crystal.
    background : f8[n]
        Factor on the radial background.
    width : f8[n, 2]
        Factor on the width of the peaks.
    mosaicity : f8[n, 2]
        Angular spread of the crystal, rad.
    cell : f8[n, 2, 3]
        Factors on the lengths of a, b, c.
    """

    kind: NDArray[np.int64]
    quaternions: NDArray[np.float64]
    phi: NDArray[np.float64]
    background: NDArray[np.float64]
    width: NDArray[np.float64]
    mosaicity: NDArray[np.float64]
    cell: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.kind)


def generator(seed: int, stream: int, purpose: int = 0) -> np.random.Generator:
    """Random numbers of one frame (stream = its number + 1) and one purpose: independent of those of all others."""
    return np.random.Generator(np.random.Philox(counter=np.array([0, 0, 0, purpose], np.uint64), key=np.array([seed, stream], np.uint64)))


def kinds(population: Population) -> NDArray[np.int64]:
    """Kind of each frame, i8[frames]: exact numbers of each, in random order."""
    kind = np.full(population.frames, Kind.SINGLE, np.int64)
    edges = np.cumsum([0.0, population.multiple, population.junk, population.blank])
    places = np.rint(edges * population.frames).astype(int)
    for number, what in enumerate((Kind.MULTIPLE, Kind.JUNK, Kind.BLANK)):
        kind[places[number] : places[number + 1]] = what
    return generator(population.seed, _WHOLE_SET).permutation(kind)


def draw(population: Population, frames: Sequence[int]) -> Truth:
    """The truth of some frames, given by their numbers."""
    kind = kinds(population)[list(frames)]
    normal = np.array([generator(population.seed, frame + 1).standard_normal((CRYSTALS, 10)) for frame in frames]).reshape(-1, CRYSTALS, 10)
    quaternions = normal[..., :4] / np.linalg.norm(normal[..., :4], axis=-1, keepdims=True)
    crystals = np.select([kind == Kind.SINGLE, kind == Kind.MULTIPLE], [1, 2], 0)
    present = np.arange(CRYSTALS) < crystals[:, None]
    background = np.array([generator(population.seed, frame + 1, 1).standard_normal() for frame in frames])
    return Truth(
        kind,
        quaternions,
        np.where(present, _log_normal(normal[..., 4], population.scale_spread), 0.0),
        _log_normal(background, population.background_spread),
        np.exp(population.width_spread * normal[..., 5]),
        population.mosaicity * np.exp(population.mosaicity_spread * normal[..., 6]),
        1 + population.cell_spread * normal[..., 7:],
    )


def _log_normal(normal: NDArray, spread: float) -> NDArray[np.float64]:
    """Log-normal numbers of mean 1."""
    return np.exp(spread * normal - spread**2 / 2)
