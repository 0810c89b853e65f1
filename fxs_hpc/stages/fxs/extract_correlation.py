"""extract from cross-correlations: a solver for every data set.

Orders above max_order that the angles resolve are solved for as well, so that they do not leak into those that are kept.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.extract import DataSetSettings, Extract
from fxs_hpc.files.ccd import open_ccd
from fxs_hpc.fluctuation import extraction, plane_extraction
from fxs_hpc.fluctuation.circular import Blocks, components, fourier_components
from fxs_hpc.fluctuation.correlation import CrossCorrelation, ewald_cosine
from fxs_hpc.fluctuation.pair_counts import Weigh, weights_in_plane, weights_in_space
from fxs_hpc.fluctuation.preparation import Means, prepared_blocks
from fxs_hpc.parallel.threads import over
from fxs_hpc.report import invariants as pictures
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.extract_files import correlation_file, mask_file
from fxs_hpc.stages.fxs.extract_input import check, means_of, preparation
from fxs_hpc.stages.fxs.extract_source import Invariants, SourcePlan

_BASE_MEMORY = 500_000_000


@dataclass(frozen=True)
class CorrelationSource:
    """Invariants of the correlations in ccd.h5."""

    settings: Extract
    context: Context

    @property
    def path(self) -> Path:
        """The file of the correlations."""
        return correlation_file(self.settings, self.context)

    @contextmanager
    def opened(self) -> Iterator[CrossCorrelation]:
        """The correlations, left on disk. Raises `InputFileError` where they cannot be used."""
        options = self.settings.IO.files.ccd.options
        with open_ccd(self.path, options.fields) as data:
            check(self.settings, self.path, data)
            yield data

    def plan(self, threads: int) -> SourcePlan:
        """Looks into the file for its size."""
        with self.opened() as data:
            n_q, n_delta, order = len(data.q), len(data.delta), self._order(data)
            cosine = ewald_cosine(data.q, data.wavelength)
        names = self.settings.cross_correlation.datasets_to_process
        held = max(self._held(self._solver(name), order, n_delta, cosine) for name in names)
        masks = n_q**2 * n_delta * sum(self._solver(name).cc_mask.type == "direct" for name in names)
        method: str = self._solver("I1I1").bl_extraction_method
        if self.settings.dimensions == 2 and method != "lstsq":
            method = "Fourier series"
        lines = (
            f"correlation: {n_q} x {n_q} x {n_delta} from {self.path.name}",
            f"orders 0..{order} of {', '.join(names)} by {method}",
        )
        return SourcePlan(_BASE_MEMORY + 8 * n_q**2 * held + masks + 40 * n_q * n_delta * 8, n_q, order + 1, lines)

    def _held(self, solver: DataSetSettings, order: int, n_delta: int, cosine: NDArray[np.float64]) -> int:
        """Real matrices (N, N) that the solver holds beside its result."""
        if self.settings.dimensions == 2:
            return n_delta if solver.bl_extraction_method == "lstsq" else 2 * order + 2
        step = 2 if solver.assume_zero_odd_orders else 1
        solved = extraction.solved_order(order, n_delta, cosine) // step + 1
        if solver.bl_extraction_method.startswith("back"):
            return solved
        return n_delta // 2 + 1 + (solved if solver.bl_extraction_method == "lstsq" else 0)

    def solved(self, threads: int) -> Invariants:
        """Invariants of all data sets."""
        with self.opened() as data:
            order, wanted = self._order(data), self.settings.max_order
            if order < wanted:
                self.context.say(f"  note: max_order {wanted} is more than {len(data.delta)} angles resolve; {order} is used")
            self.context.say(f"  {self.path.resolve().name}: {len(data.q)} q up to {data.q[-1]:.6g} 1/A, {len(data.delta)} angles")
            names = self.settings.cross_correlation.datasets_to_process
            values: dict[str, NDArray] = {name: self._invariants(data, name, order, threads) for name in names}
            return Invariants(
                dimensions=self.settings.dimensions,
                q=data.q,
                delta=data.delta,
                wavelength=data.wavelength,
                average_intensity=data.average_intensity,
                n_particles=data.n_particles,
                values=values,
            )

    def draw_components(self, folder: Path) -> None:
        """`first_<data set>_Cn.png`."""
        with self.opened() as data:
            n_delta = len(data.delta)
            orders = np.array([order for order in pictures.FIRST_ORDERS if order <= n_delta // 2])
            for name in self.settings.cross_correlation.datasets_to_process:
                blocks = self._blocks(data, name)
                if self.settings.dimensions == 3:
                    parts: NDArray = components(blocks, len(data.q), n_delta, orders)
                else:
                    parts = fourier_components(blocks, len(data.q), n_delta, orders)
                title = f"Circular components of the correlation {name}, prepared for the solver, $|C_n(q_1, q_2)|$"
                pictures.plot_moduli(folder / f"first_{name}_Cn.png", data.q, parts, title, "C_n", orders.tolist())

    def _solver(self, name: str) -> DataSetSettings:
        found: DataSetSettings = getattr(self.settings.cross_correlation.datasets, name)
        return found

    def _order(self, data: CrossCorrelation) -> int:
        n_delta, wanted = len(data.delta), self.settings.max_order
        if self.settings.dimensions == 3:
            return extraction.limited_order(wanted, n_delta)
        names = self.settings.cross_correlation.datasets_to_process
        return min(plane_extraction.limited_order(wanted, n_delta, self._solver(name).assume_zero_odd_orders) for name in names)

    def _subtracted(self, data: CrossCorrelation, name: str) -> Means | None:
        """The means whose product is subtracted from a correlation, None if nothing is."""
        return means_of(data, name) if self._solver(name).modify_cc.subtract_average_intensity else None

    def _blocks(self, data: CrossCorrelation, name: str) -> Blocks:
        """The prepared correlation."""
        solver, means = self._solver(name), self._subtracted(data, name)
        prepared = preparation(solver, data, name, mask_file(self.settings, self.context, name), means is not None)
        return prepared_blocks(data.correlation[name], data.average_intensity if means is None else means, prepared)

    def _invariants(self, data: CrossCorrelation, name: str, order: int, threads: int) -> NDArray:
        solver, means = self._solver(name), self._subtracted(data, name)
        if solver.modify_cc.subtract_average_intensity and means is None:
            self.context.say(f"  note: {name}: the file has no average_squared_intensity; the mean is solved for with the other orders")
        found = self._solution(data, name, order, threads)
        if self.settings.cross_correlation.assume_poisson_noise and name == "I1I1":
            found = self._solution(data, name, order, threads, self._weights(data, found, means))
        if means is not None:
            left, right = (means, means) if isinstance(means, np.ndarray) else means
            found[0] = (4 * np.pi if self.settings.dimensions == 3 else 1) * np.multiply.outer(left, right)
        if solver.bl_enforce_psd:
            found[:] = over(extraction.nearest_psd, found, threads)
        return found

    def _solution(self, data: CrossCorrelation, name: str, order: int, threads: int, weigh: Weigh | None = None) -> NDArray:
        solver, n_q, n_delta = self._solver(name), len(data.q), len(data.delta)
        blocks = self._blocks(data, name)
        method, even = solver.bl_extraction_method, solver.assume_zero_odd_orders
        if self.settings.dimensions == 2:
            return plane_extraction.invariants_from(blocks, method, order, n_q, n_delta, even, data.measured, threads, weigh)
        cosine = ewald_cosine(data.q, data.wavelength)
        return extraction.invariants_from(blocks, method, order, n_delta, cosine, even, workers=threads, weigh=weigh)

    def _weights(self, data: CrossCorrelation, found: NDArray, means: Means | None) -> Weigh:
        if self.settings.dimensions == 2:
            return weights_in_plane(found.conj() if data.measured else found, len(data.delta), means)
        return weights_in_space(found, ewald_cosine(data.q, data.wavelength), len(data.delta), means)
