"""Settings of `reconstruct`: iterative phasing."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, model_validator

from fxs_hpc.config.common import Dimensions, FourierTransform2, Gpu, MaxQ, SettingsVersion, dimensions, settings_version
from fxs_hpc.config.fields import Count, FiniteReal, Index, Integer, No, Positive, Section, section, setting
from fxs_hpc.config.loops import DEFAULT_LOOPS, MainLoop, with_default_methods
from fxs_hpc.config.phasing import Projections
from fxs_hpc.config.reconstruct_storage import ReconstructStorage
from fxs_hpc.config.storage import StructureName, structure_name
from fxs_hpc.config.trees import lookup, with_default, with_value

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "reference": {
        "grid.angular_grid": "shtns",
        "projections.reciprocal.keep_unknown_orders": False,
        "projections.reciprocal.scale": 2.0,
        "projections.real.shrink_wrap.kernel": "flat_top",
        "main_loop.resolution_schedule": False,
        "main_loop.sub_loops.main.iterations": 5,
        "main_loop.sub_loops.refinement.iterations": 2,
        "projections.real.projections.apply": ("support", "value_threshold", "limit_imag"),
    },
}
"""What a preset changes in the defaults: dotted key -> value. Keys that the file sets are left alone."""

PLANE: Mapping[str, Any] = {"projections.reciprocal.SO_freedom.use": True}
"""Defaults in the plane: dotted key -> value."""

PLANE_MAIN: Mapping[str, Any] = {
    **DEFAULT_LOOPS["main"],
    "methods": {"HIO": {"iterations": 90}, "ER": {"iterations": 10}, "SW": {"iterations": 1}},
}
"""Defaults of the block `main` in the plane."""

_PLANE_PRESETS: Mapping[str, Mapping[str, Any]] = {"reference": {"projections.reciprocal.scale": 1.0}}
"""What a preset asks for otherwise in the plane."""

COPIES: Mapping[str, str] = {
    "density_guess.radius": "particle_radius",
    "projections.real.projections.support.initial_support.max_radius": "particle_radius",
}
"""Keys whose default is the value of another key."""

DERIVED = (
    *COPIES,
    "projections.reciprocal.used_order_ids",
    "grid.amplitude_order",
    *(f"main_loop.sub_loops.main.methods.{method}.iterations" for method in ("HIO", "ER", "SW")),
)

REFERENCE_USED_ORDERS = tuple(range(64))


class Grid(MaxQ):
    """Radial and angular grid."""

    max_q: Positive | No = setting(False, "largest momentum transfer; False = that of the data", "1/A")
    max_order: Count = setting(63, "largest harmonic order of the intensity")
    n_radial_points: Count | Literal["data"] = setting(
        128, "number of radial points; 'data' = as many as the data; another spelling: n_radial_grid_points"
    )
    amplitude_order: Literal["auto"] | Index = setting(
        "auto",
        "angular band limit of the amplitudes; auto = max(max_order, ceil(max_q * radius) + 6) with the radius of amplitude_radius;"
        " reference preset: max_order",
    )
    amplitude_radius: Positive | No = setting(
        False,
        "outer radius of the particle, for amplitude_order auto; False = from the data, 0.6 times the largest distance found in <I>(q),"
        " at most particle_radius",
        "A",
    )
    angular_grid: Literal["alias_free", "shtns"] = setting(
        "alias_free",
        "sizes chosen where n_theta, n_phi are 0: alias-free, or the reference program's (in 2D 2 L + 1 angles, L the amplitudes' order;"
        " with an odd number of angles densities are computed as complex ones)",
    )


class Bump(Section):
    """Smooth envelope."""

    slope: Positive = setting(0.3, "s of exp(-s R^2 / (R^2 - r^2))")


class RandomAmplitude(Section):
    """Random factor."""

    SNR: Positive = setting(2.0, "each voxel is multiplied by 1 + U(0, 1) / SNR")


class LowResolutionGuess(Section):
    """Envelope from the autocorrelation."""

    threshold_to_max: FiniteReal = setting(0.01, "values below this fraction of the maximum are set to 0")


class DensityGuess(Section):
    """Density at the start."""

    type: Literal["bump", "ball", "low_resolution_autocorrelation"] = setting("bump", "envelope")
    bump: Bump = section(Bump)
    low_resolution_autocorrelation: LowResolutionGuess = section(LowResolutionGuess)
    radius: FiniteReal = setting(150.0, "radius R of the envelope; negative = whole grid; default: particle_radius", "A")
    amplitude_function: Literal["random"] = setting("random", "factor on the envelope")
    random: RandomAmplitude = section(RandomAmplitude)


class OutputModifiers(Section):
    """What is done to the densities before they are stored."""

    shift_to_center: bool = setting(
        False,
        "shift the centre of mass of last and best density, with their supports, to the origin; what is stored then is band limited, as the"
        " shift is made in reciprocal space",
    )
    fix_orientation: bool = setting(
        True,
        "2D: shift the centre of mass to the origin, and turn by the rotation that SO_freedom leaves, so that the reconstructions of one"
        " run agree up to point inversion",
    )


class MultiProcess(Section):
    """Reconstructions and processes."""

    use: bool = setting(True, "several processes; False = one after another in this process")
    n_parallel_reconstructions: bool | Count = setting(
        False, "how many reconstructions are made, as many at a time as the cores bear; True or False = one per core, but at least four"
    )


class Profiling(Section):
    """Profiles of the processes."""

    enable: bool = setting(False, "write profile_<id>.prof, for python -m pstats, into the run folder")
    reconstruction_process_id: Index = setting(1, "number of the reconstruction whose process is profiled")
    gpu_worker_id: Integer = setting(
        -1, "for settings of the reference program; no process serves a GPU alone, what drives it is in the profile of the reconstruction"
    )


def _text(value: Any) -> Any:
    """A device may be given by its number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class PhasingGpu(Gpu):
    """Phasing on an OpenCL device."""

    required: bool = setting(False, "without a usable device: an error (True) or the CPU with a warning (False)")
    device: Annotated[str, BeforeValidator(_text)] = setting(
        "auto",
        "auto = what the batch system allocated, else the best GPU that works; gpu, cpu (an OpenCL driver for the CPU), the number of a"
        " device in the list that fxs-hpc doctor prints, or part of its name",
    )
    batch: Literal["auto"] | Count = setting(
        "auto", "reconstructions that run side by side on the device; auto = as many as its memory holds and it gains from"
    )
    allow_single: bool = setting(False, "compute in single precision on a device without double, though config.ini asks for double")


class Reconstruct(Section):
    """Phase the invariants: reconstruct densities."""

    derived: ClassVar[tuple[str, ...]] = (*DERIVED, *PRESETS["reference"], *PLANE)

    settings_version: SettingsVersion = settings_version()
    preset: Literal["default", "reference"] = setting(
        "default",
        "table of defaults: ours, or such that the loop does step by step what the reference program does (then also with its radial"
        " scale and its radial quadrature of the error)",
    )
    dimensions: Dimensions = dimensions()
    structure_name: StructureName = structure_name("default_structure")
    seed: Literal["auto"] | Index = setting(
        "auto", "seed of the random starts; auto = the number of the run, so that each run is new and reproducible"
    )
    particle_radius: Positive = setting(150.0, "radius of a ball that surely holds the particle", "A")
    grid: Grid = section(Grid)
    fourier_transform: FourierTransform2 = section(FourierTransform2)
    density_guess: DensityGuess = section(DensityGuess)
    projections: Projections = section(Projections)
    output_density_modifiers: OutputModifiers = section(OutputModifiers)
    main_loop: MainLoop = section(MainLoop)
    GPU: PhasingGpu = section(PhasingGpu)
    multi_process: MultiProcess = section(MultiProcess)
    profiling: Profiling = section(Profiling)
    IO: ReconstructStorage = section(ReconstructStorage)

    @classmethod
    def prepare(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """Fill the defaults that depend on other keys."""
        preset = tree.get("preset", "default")
        plane = tree.get("dimensions") == 2
        changes = PRESETS.get(preset, {}) if isinstance(preset, str) else {}
        if plane:
            changes = {**changes, **_PLANE_PRESETS.get(str(preset), {}), **PLANE}
        for key, value in changes.items():
            tree = with_default(tree, key, value)
        if plane:
            main = "main_loop.sub_loops.main"
            tree = with_value(tree, main, with_default_methods(lookup(tree, main), PLANE_MAIN))
        for key, source in COPIES.items():
            tree = with_default(tree, key, tree.get(source, cls.model_fields[source].default))
        max_order = lookup(tree, "grid.max_order", Grid.model_fields["max_order"].default)
        if isinstance(max_order, int):
            tree = _with_orders(tree, max_order, preset)
        return tree

    @model_validator(mode="after")
    def _consistent(self) -> "Reconstruct":
        reciprocal, limit = self.projections.reciprocal, self.grid.max_order
        if any(order > limit for order in reciprocal.used_order_ids):
            raise ValueError(f"projections.reciprocal.used_order_ids: {max(reciprocal.used_order_ids)} is above grid.max_order = {limit}")
        if not reciprocal.used_order_ids:
            raise ValueError("projections.reciprocal.used_order_ids is empty")
        if self.dimensions == 3 and reciprocal.SO_freedom.use:
            raise ValueError("projections.reciprocal.SO_freedom.use: only in 2D; in 3D the rotation is free until average aligns")
        if (
            isinstance(self.grid.amplitude_order, int)
            and not isinstance(self.grid.amplitude_order, bool)
            and self.grid.amplitude_order < limit
        ):
            raise ValueError(f"grid.amplitude_order: {self.grid.amplitude_order} is below grid.max_order = {limit}")
        drawn = self.IO.files.reconstructions.options.plot_invariant_error or ()
        if any(order not in reciprocal.used_order_ids or order == 0 for order in drawn):
            raise ValueError(
                f"IO.files.reconstructions.options.plot_invariant_error: {list(drawn)} holds orders that are not imposed; name some of "
                "projections.reciprocal.used_order_ids above 0"
            )
        for problem in self.projections.real.refusals():
            raise ValueError(problem)
        self._particles_can_be_counted()
        self._one_entry_per_loop()
        return self

    def _particles_can_be_counted(self) -> None:
        number, loops = self.projections.reciprocal.number_of_particles, self.main_loop.sub_loops
        if not number.estimate:
            return
        key = "projections.reciprocal.number_of_particles"
        if 0 not in self.projections.reciprocal.used_order_ids:
            raise ValueError(f"{key}.estimate: the number shows in order 0, which used_order_ids does not name")
        run = [method for name in loops.order for method in loops.loops[name].order if not method.startswith("SW")]
        if not set(number.settings.estimate_in) & set(run):
            raise ValueError(
                f"{key}.settings.estimate_in: none of {', '.join(number.settings.estimate_in)} makes steps; name a method of a block"
            )

    def _one_entry_per_loop(self) -> None:
        real, loops = self.projections.real, self.main_loop.sub_loops
        lists: dict[str, tuple[Any, ...]] = {
            "projections.real.shrink_wrap.sigmas": real.shrink_wrap.sigmas,
            "projections.real.shrink_wrap.thresholds": real.shrink_wrap.thresholds,
            "projections.real.shrink_wrap.fixed_volume.fractions": real.shrink_wrap.fixed_volume.fractions,
            "projections.real.HIO.beta": real.HIO.beta,
            "projections.real.RAAR.beta": real.RAAR.beta,
        }
        if isinstance(self.main_loop.resolution_schedule, tuple):
            lists["main_loop.resolution_schedule"] = self.main_loop.resolution_schedule
        for key, values in lists.items():
            if len(values) != 1 and not len(loops.order) <= len(values) <= max(len(loops.order), len(loops.loops)):
                raise ValueError(f"{key}: {len(values)} entries for the {len(loops.order)} blocks {', '.join(loops.order)}")


def _with_orders(tree: dict[str, Any], max_order: int, preset: Any) -> dict[str, Any]:
    every = tuple(range(max_order + 1))
    tree = with_default(tree, "projections.reciprocal.used_order_ids", every)
    if lookup(tree, "projections.reciprocal.used_order_ids", None) == REFERENCE_USED_ORDERS and max_order < REFERENCE_USED_ORDERS[-1]:
        # Stored settings hold the reference's default of 64 orders whatever the grid has.
        tree = with_value(tree, "projections.reciprocal.used_order_ids", every)
    return with_default(tree, "grid.amplitude_order", max_order) if preset == "reference" else tree
