"""extract: invariants -> projection matrices, and with the squared intensity the transform between both."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.extract import DataSetSettings, Extract
from fxs_hpc.fluctuation import projection_matrices
from fxs_hpc.fluctuation.data_sets import DataSet, SquaredIntensity
from fxs_hpc.fluctuation.invariants import InvariantData
from fxs_hpc.fluctuation.positivity import made_positive
from fxs_hpc.fluctuation.squared_intensity import unknown_transforms
from fxs_hpc.stages.fxs.extract_source import Invariants


@dataclass(frozen=True)
class Found:
    """What is written: the data of the intensity, and those of its square where they were asked for."""

    data: InvariantData
    squared: SquaredIntensity | None

    def data_sets(self) -> dict[str, DataSet]:
        """All data sets by name."""
        data = self.data
        main = DataSet(data.q_id_limits, data.invariants, data.invariant_masks, data.projection_matrices)
        return {"I1I1": main, **(self.squared.data_sets if self.squared else {})}

    def without_invariants(self) -> "Found":
        """The same without the large B_l."""
        return Found(self.data.without_invariants(), self.squared.without_invariants() if self.squared else None)


def found(settings: Extract, source: Invariants, threads: int) -> Found:
    """Limits, masks and projection matrices of all data sets."""
    sets = {name: _data_set(settings, name, source, threads) for name in source.values}
    main, optimise = sets["I1I1"], settings.optimize_projection_matrices
    low, dimensions = settings.low_resolution_intensity_approximation, settings.dimensions
    matrices, coarse = tuple(main.projection_matrices), tuple(main.projection_matrices[: low.max_order + 1])
    squared = _squared(settings, sets)
    if optimise.use:
        coarse = made_positive(coarse, low.n_iterations, low.error_change_limit, dimensions)
        matrices = made_positive(matrices, optimise.n_iterations, optimise.error_change_limit, dimensions)
        squared = _squared(settings, {**sets, "I1I1": DataSet(main.q_id_limits, main.invariants, main.masks, matrices)})
    data = InvariantData(
        dimensions=dimensions,
        wavelength=source.wavelength,
        max_order=source.max_order,
        average_intensity=source.average_intensity,
        q=source.q,
        delta=source.delta,
        projection_matrices=matrices,
        q_id_limits=main.q_id_limits,
        invariants=main.invariants,
        invariant_masks=main.masks,
        low_resolution_coefficients=coarse,
        n_particles=source.n_particles,
    )
    return Found(data, squared)


def _data_set(settings: Extract, name: str, source: Invariants, threads: int) -> DataSet:
    solver: DataSetSettings = getattr(settings.cross_correlation.datasets, name)
    lower, upper = (limit.line if limit.type == "line" else None for limit in (solver.bl_q_limits.min, solver.bl_q_limits.max))
    limits = projection_matrices.q_limits(source.q, source.max_order, lower, upper)
    matrices: tuple[NDArray, ...] = ()
    if name != "I2I1":
        mode, values = settings.bl_eig_sort_mode, source.values[name]
        matrices = projection_matrices.projection_matrices(values, limits, mode, threads, settings.dimensions)
    return DataSet(limits, source.values[name], projection_matrices.limit_masks(limits, len(source.q)), matrices)


def _squared(settings: Extract, sets: dict[str, DataSet]) -> SquaredIntensity | None:
    """Data sets of the squared intensity, and W_l with respect to the projection matrices of the intensity as they are stored."""
    if "I2I1" not in sets:
        return None
    mixed = sets["I2I1"]
    transforms = unknown_transforms(
        np.where(np.asarray(mixed.masks), np.asarray(mixed.invariants), 0),
        sets["I1I1"].projection_matrices,
        sets["I2I2"].projection_matrices,
        settings.I2I1_unknown_tranrform_extraction_method,
        settings.unitary_transform.enforce_unitarity,
    )
    return SquaredIntensity({name: sets[name] for name in ("I2I1", "I2I2")}, transforms)
