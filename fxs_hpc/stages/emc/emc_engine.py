"""The flags of EMC on many ranks: search, maximise, compress, symmetrise; scale factors.

Each rank has consecutive work blocks of frames (`emc.work_blocks`) and goes through their photons once per flag. What it keeps of them
are the few probable rotations of each frame and the photons at their pixels. Rotations that several ranks have are brought together
(`rotation_exchange`), each rank maximises and compresses its own, the voxel sums are added slice by slice in the fixed tree
(`tree_exchange`), and each rank symmetrises the orbits of its slice. All ranks then hold the whole model, as every frame needs all of it.

The same engine serves low-res-emc and the local update: they differ in the candidates, rotations and maps of the `Task`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc import compression, uncertainty
from fxs_hpc.emc.block_search import Field, Found, intensity_search, nothing, phi_search, taking_part
from fxs_hpc.emc.expansion import DetectorTable, fill
from fxs_hpc.emc.likelihood import FLOOR, FrameTile
from fxs_hpc.emc.maximisation import Observations
from fxs_hpc.emc.probabilities import Assignment, Evidence
from fxs_hpc.emc.rules import OWN, Rules, remembered
from fxs_hpc.emc.symmetrisation import symmetrised
from fxs_hpc.emc.work_blocks import Node, tree_sum
from fxs_hpc.emc.workload import Model, Workload
from fxs_hpc.parallel import threads
from fxs_hpc.parallel.communicator import Communicator
from fxs_hpc.stages.emc.frame_stream import FrameStream
from fxs_hpc.stages.emc.influence_exchange import at_home
from fxs_hpc.stages.emc.orbit_slices import orbit_slices
from fxs_hpc.stages.emc.rotation_exchange import Pairs, at_owners
from fxs_hpc.stages.emc.stopwatch import Stopwatch
from fxs_hpc.stages.emc.tree_exchange import slice_total, total


@dataclass(frozen=True)
class Task:
    """What one rank needs for all flags.

    Attributes
    ----------
    model : Model
    detector : DetectorTable
    work : Workload
        Of this rank's frames.
    background : float64[frames, bins + 1]
        Of this rank's frames; -1 in the last column and in unusable bins.
    blocks : int64[n + 1]
        Edges of all work blocks, in frames.
    owned : int64[ranks + 1]
        Edges of the blocks of each rank.
    stream : FrameStream
    rules : Rules
        Treatment of negative values, of equivalent voxels, of scale factors.
    """

    model: Model
    detector: DetectorTable
    work: Workload
    background: NDArray[np.float64]
    blocks: NDArray[np.int64]
    owned: NDArray[np.int64]
    stream: FrameStream
    rules: Rules = OWN

    @property
    def frames(self) -> int:
        """Number of frames on all ranks."""
        return int(self.blocks[-1])


@dataclass(frozen=True)
class Searched:
    """What the frames of this rank say: assignment (rotations are places in its table), evidence, log-likelihood of every evaluation."""

    assignment: Assignment
    evidence: Evidence
    log_likelihood: NDArray[np.float64]


@dataclass(frozen=True)
class NewIntensity:
    """Result of an intensity flag, the same on all ranks.

    Attributes
    ----------
    intensity : float64[voxels]
        Symmetrised.
    sums : float64[reflections]
        Integrated before symmetrisation.
    std, photon_std : float64[reflections]
        Standard deviations of `sums`: by the scatter between frames, and by photon noise alone.
    merged_std : float64[orbits]
        Standard deviation, by the scatter, of the mean of `sums` over each orbit.
    seen : bool[reflections]
    """

    intensity: NDArray[np.float64]
    sums: NDArray[np.float64]
    std: NDArray[np.float64]
    photon_std: NDArray[np.float64]
    merged_std: NDArray[np.float64]
    seen: NDArray[np.bool_]


Search = Callable[..., Found]


class Engine:
    """Carries out flags.

    Parameters
    ----------
    task : Task
    ranks : Communicator
    workers : int
        Threads of this rank.
    watch : Stopwatch
        Times the parts.
    """

    def __init__(self, task: Task, ranks: Communicator, workers: int, watch: Stopwatch) -> None:
        self._task, self._ranks, self._workers, self._watch = task, ranks, workers, watch
        self._slices = orbit_slices(task.model, ranks.size)

    def intensity_flag(
        self, intensity: NDArray[np.float64], phi: NDArray[np.float64], active: NDArray[np.bool_], work: Workload | None = None
    ) -> tuple[NewIntensity, Searched]:
        """A new intensity.

        Parameters
        ----------
        intensity : float64[voxels]
        phi : float64[frames]
            Of all frames.
        active : bool[evaluations]
            Which evaluations of this rank are made.
        work : Workload, optional
            In place of the task's, with the same frames and rotations.
        """
        work = work or self._task.work
        found = self._search(intensity_search, work, intensity, phi, active, self._task.rules.floor)
        with self._watch.of("communicate"):
            pairs = at_owners(self._ranks, self._pairs(work, found))
        observed, edges = self._observations(work, pairs)
        new = self._new_intensity(work, observed, edges)
        return new, _searched(found)

    def phi_flag(
        self,
        intensity: NDArray[np.float64],
        phi: NDArray[np.float64],
        start: NDArray[np.float64],
        active: NDArray[np.bool_],
        work: Workload | None = None,
    ) -> tuple[NDArray[np.float64], float, Searched]:
        """New scale factors of all frames, with the mean 1, and the factor by which the intensity has to grow for that.

        `start` are the scale factors at the start of the run.
        """
        found = self._search(phi_search, work or self._task.work, intensity, phi, active, FLOOR)
        with self._watch.of("communicate"):
            new = np.concatenate(self._ranks.all_gather(np.concatenate([part.phi for part in found])))
        new = remembered(self._task.rules, new, start)
        mean = float(new.mean())
        return (new / mean if mean > 0 else new), (mean if mean > 0 else 1.0), _searched(found)

    def symmetric_mean(self, intensity: NDArray[np.float64]) -> NDArray[np.float64]:
        """The intensity float64[voxels] averaged over the Laue group."""
        own = self._slices.voxels[self._ranks.rank]
        return self._slices.whole(self._ranks, self._symmetrised(compression.Exposure(intensity[own], np.ones(len(own)))))

    def _symmetrised(self, part: compression.Exposure) -> NDArray[np.float64]:
        """The symmetrised voxels of this rank's orbits."""
        model, targets = self._task.model, self._slices.reflections[self._ranks.rank]
        return symmetrised(targets, part, self._task.rules.by_exposure, model.same, model.cubes, model.reflections.first)

    def _search(self, search: Search, work: Workload, intensity: NDArray, phi: NDArray, active: NDArray, floor: float) -> list[Found]:
        task = self._task
        field = Field(fill(task.model.cubes, intensity), active, floor)
        found: list[Found] = []
        blocks = iter(task.stream)
        while True:
            with self._watch.of("read"):
                block = next(blocks, None)
            if block is None:
                return found or [nothing()]
            first, stop, photons = block

            def one(edges: tuple[int, int], first: int = first, photons: NDArray[np.int16] = photons) -> Found:
                low, high = edges
                own = slice(low - work.first, high - work.first)
                tile = FrameTile(photons[low - first : high - first], task.background[own], phi[low:high])
                return search(work, low - work.first, tile, task.detector, task.model.cubes, field)

            with self._watch.of("search"):
                found += threads.over(one, self._blocks_of(first, stop), self._workers)

    def _blocks_of(self, first: int, stop: int) -> list[tuple[int, int]]:
        blocks = self._task.blocks
        low, high = np.searchsorted(blocks, [first, stop])
        return list(zip(blocks[low:high].tolist(), blocks[low + 1 : high + 1].tolist()))

    def _pairs(self, work: Workload, found: Sequence[Found]) -> Pairs:
        """The assigned pairs of this rank's frames, ascending by frame."""
        parts = [taking_part(part.assignment, part.phi) for part in found]
        phi = np.concatenate([part.phi for part in found])
        frame = np.repeat(np.arange(work.frames), np.concatenate([np.diff(part.first) for part in parts]))
        return Pairs(
            work.number[np.concatenate([part.rotation for part in parts])].astype(np.int64),
            frame + work.first,
            np.concatenate([part.probability for part in parts]),
            phi[frame],
            np.concatenate([np.diff(part.first) for part in found]),
            np.concatenate([part.counts for part in found]),
            self._task.background,
            frame,
        )

    def _observations(self, work: Workload, pairs: Pairs) -> tuple[Observations, NDArray[np.int64]]:
        """Pairs sorted by the block of the lowest frame of their rotation, and where each block of this rank begins among them."""
        order = np.lexsort((pairs.frame, pairs.rotation))
        new = np.diff(pairs.rotation[order], prepend=-1) != 0
        lowest = pairs.frame[order][new][np.cumsum(new) - 1] if len(order) else pairs.frame
        home = np.searchsorted(self._task.blocks, lowest, side="right") - 1
        by_home = np.argsort(home, kind="stable")
        order, home = order[by_home], home[by_home]
        place = np.searchsorted(work.number, pairs.rotation).astype(np.int32)
        own = self._own_blocks()
        edges = np.searchsorted(home, np.arange(own[0], own[1] + 1))
        observed = Observations(
            place[order],
            pairs.frame[order],
            pairs.probability[order],
            pairs.phi[order],
            pairs.row[order],
            pairs.start[order],
            pairs.counts,
            pairs.background,
        )
        return observed, edges.astype(np.int64)

    def _own_blocks(self) -> tuple[int, int]:
        low, high = self._task.owned[self._ranks.rank : self._ranks.rank + 2].tolist()
        return low, high

    def _over_blocks(self, values: Callable[[int, int], NDArray[np.float64]], edges: NDArray[np.int64]) -> list[Node]:
        """Values of this rank's blocks, some at a time, added as far as the tree allows."""
        first, stop = self._own_blocks()
        ranges = list(zip(edges[:-1].tolist(), edges[1:].tolist()))
        nodes: list[Node] = []
        for at in range(0, stop - first, self._workers):
            made = threads.over(lambda pair: values(*pair), ranges[at : at + self._workers], self._workers)
            nodes = tree_sum([*nodes, *(Node(first + at + i, first + at + i + 1, value) for i, value in enumerate(made))], self._count)
        return nodes

    @property
    def _count(self) -> int:
        return len(self._task.blocks) - 1

    def _new_intensity(self, work: Workload, observed: Observations, edges: NDArray[np.int64]) -> NewIntensity:
        task, model = self._task, self._task.model
        with self._watch.of("maximise"):
            nodes = self._over_blocks(
                lambda low, high: compression.merged(observed, low, high, work.rotations, task.detector, model.cubes), edges
            )
        with self._watch.of("communicate"):
            sums = slice_total(self._ranks, nodes, self._count, self._slices.voxels)
        with self._watch.of("symmetrise"):
            part = compression.mean(sums)
            even = self._symmetrised(part)
        with self._watch.of("communicate"):
            intensity, weight, means = (self._slices.whole(self._ranks, values) for values in (part.intensity, part.weight, even))
        exposure = compression.Exposure(intensity, weight)
        std, photon_std, merged_std = self._deviations(work, observed, edges, exposure)
        return NewIntensity(
            means, model.sums(intensity), std, photon_std, merged_std, np.maximum.reduceat(exposure.seen, model.reflections.first[:-1])
        )

    def _deviations(
        self, work: Workload, observed: Observations, edges: NDArray[np.int64], exposure: compression.Exposure
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        task, model = self._task, self._task.model
        fields = uncertainty.fields(exposure, model.cubes)
        parts: list[uncertainty.Influences] = []

        def photon_variance(low: int, high: int) -> NDArray[np.float64]:
            found, variance = uncertainty.influences(observed, low, high, fields, work.rotations, task.detector, model.cubes)
            parts.append(found._replace(rotation=work.number[found.rotation]))
            return variance

        def scatter(low: int, high: int) -> NDArray[np.float64]:
            return uncertainty.scatters(uncertainty.between(own, low, high), model.same.orbit)

        with self._watch.of("deviate"):
            photons = self._over_blocks(photon_variance, edges)
        with self._watch.of("communicate"):
            found = at_home(self._ranks, parts, task.blocks[task.owned])
        with self._watch.of("deviate"):
            own = uncertainty.summed(found, model.reflections.count)
            first, stop = self._own_blocks()
            nodes = self._over_blocks(scatter, np.searchsorted(own.frame, task.blocks[first : stop + 1]))
        with self._watch.of("communicate"):
            variance, photon = total(self._ranks, nodes, self._count), total(self._ranks, photons, self._count)
        count = model.reflections.count
        return np.sqrt(variance[:count]), np.sqrt(photon), np.sqrt(variance[count:]) / np.bincount(model.same.orbit)


def _searched(found: Sequence[Found]) -> Searched:
    """The blocks of a rank in one."""
    counts = np.concatenate([np.diff(part.assignment.first) for part in found])
    return Searched(
        Assignment(
            np.concatenate([[0], np.cumsum(counts)]),
            np.concatenate([part.assignment.rotation for part in found]),
            np.concatenate([part.assignment.probability for part in found]),
        ),
        Evidence(*(np.concatenate(values) for values in zip(*(part.evidence for part in found), strict=True))),
        np.concatenate([part.log_likelihood for part in found]),
    )
