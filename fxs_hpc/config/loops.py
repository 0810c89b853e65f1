"""Settings of the phasing loop: blocks of methods and error metrics (part of the settings of `reconstruct`)."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from fxs_hpc.config.fields import Count, Fraction, Index, IterationLimit, Name, No, Positive, Section, section, setting
from fxs_hpc.config.nearest import suggestion

RealMetric = Literal["l2_projection_diff", "support_size"]
ReciprocalMetric = Literal[
    "l2_projection_diff", "deg2_invariant_l2_diff", "deg2_ranked_invariant_l2_diff", "ccd_diff", "fqc_error", "II_error"
]
MethodName = Literal[
    "HIO",
    "ER",
    "RAAR",
    "SW",
    "SW_center",
    "HIO_non_FXS",
    "ER_non_FXS",
    "RAAR_non_FXS",
    "HIO_ft_stab",
    "ER_ft_stab",
    "RAAR_ft_stab",
    "HIO_non_FXS_ft_stab",
    "ER_non_FXS_ft_stab",
    "RAAR_non_FXS_ft_stab",
]


class LinkToSupport(Section):
    """ft_stab that follows enforce_initial_support."""

    delay: Index = setting(0, "steps that are still stabilised after the initial support ceased to be enforced")


class Method(Section):
    """How often a method runs; a bare number is `iterations`."""

    short_form: ClassVar[str] = "iterations"

    iterations: Index = setting(1, "number of steps; of SW and SW_center: number of supports made one after the other")
    ft_stab: bool | Literal["link_to_enforce_initial_support"] = setting(
        True,
        "remove the error of the inexact transform pair from each step; link_to_enforce_initial_support: only while the main error is above"
        " projections.real.projections.support.enforce_initial_support.if_error_bigger_than, so that the initial support is enforced",
    )
    link_to_enforce_initial_support: LinkToSupport = section(LinkToSupport)

    def tree(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in super().tree().items()
            if getattr(self, name) != type(self).model_fields[name].get_default(call_default_factory=True) or name == "iterations"
        }


class SubLoop(Section):
    """One named block of the phasing."""

    alternates: ClassVar[Mapping[str, str]] = {"mehtods": "methods"}

    methods: dict[MethodName, Method] = setting(
        description="method -> its settings. HIO, ER, RAAR: steps; SW: new support (shrink wrap); SW_center: moves the centre of mass to"
        " the origin before; <M>_non_FXS: steps that keep the intensity which the first of them found instead of following the invariants;"
        " <M>_ft_stab: always stabilised"
    )
    order: tuple[str, ...] = setting(description="methods in the order in which they run")
    iterations: Index = setting(1, "how often the block is repeated")
    best_density_not_in_first_n_iterations: IterationLimit = setting(
        float("inf"), "after the block, go back to its best density if that was found after this many of its iterations; inf = never"
    )

    @model_validator(mode="after")
    def _known_methods(self) -> "SubLoop":
        for name in self.order:
            if name not in self.methods:
                raise ValueError(
                    f"order names {name!r}, which is not under methods ({', '.join(self.methods)}){suggestion(name, self.methods)}"
                )
        for name, method in self.methods.items():
            if name.startswith("SW") and method.ft_stab is not True:
                raise ValueError(f"ft_stab does nothing in {name}: remove it")
        return self


DEFAULT_LOOPS: Mapping[str, Mapping[str, Any]] = {
    "main": {
        "methods": {"HIO": {"iterations": 60}, "ER": {"iterations": 40}, "SW": {"iterations": 1}},
        "order": ("HIO", "SW", "ER"),
        "iterations": 10,
    },
    "refinement": {"methods": {"ER": {"iterations": 100}, "SW": {"iterations": 1}}, "order": ("SW", "ER"), "iterations": 1},
}


class SubLoops(Section):
    """Named blocks of the phasing; each key other than `order` is a block."""

    order: tuple[Name, ...] = setting(("main", "refinement"), "blocks in the order in which they run")
    loops: dict[str, SubLoop] = setting({}, "block -> its settings")

    @classmethod
    def prepare(cls, tree: dict[str, Any]) -> dict[str, Any]:
        named = {key: value for key, value in tree.items() if key not in ("order", "loops")}
        given = {**(tree.get("loops") or {}), **named}
        loops = {name: with_default_methods(given.get(name), DEFAULT_LOOPS.get(name, {})) for name in (*DEFAULT_LOOPS, *given)}
        return {"order": tree.get("order", ("main", "refinement")), "loops": loops}

    @field_validator("order")
    @classmethod
    def _not_empty(cls, order: tuple[str, ...]) -> tuple[str, ...]:
        if not order:
            raise ValueError("order names no block")
        return order

    @model_validator(mode="after")
    def _known_loops(self) -> "SubLoops":
        for name in self.order:
            if name not in self.loops:
                raise ValueError(
                    f"order names the block {name!r}, which is not defined here ({', '.join(self.loops)}){suggestion(name, self.loops)}"
                )
        return self

    def tree(self) -> dict[str, Any]:
        return {"order": list(self.order), **{name: loop.tree() for name, loop in self.loops.items()}}


def with_default_methods(loop: Any, default: Mapping[str, Any]) -> Any:
    """The block `loop` with what its section leaves out, down to the settings of the methods that its order names, from `default`."""
    if loop is None:
        return dict(default) or None
    if not isinstance(loop, Mapping):
        return loop
    block = {**default, **{"methods" if key == "mehtods" else key: value for key, value in loop.items()}}
    if default and isinstance(block["methods"], Mapping) and isinstance(block["order"], list | tuple):
        block["methods"] = _filled_methods(block["methods"], default["methods"], block["order"])
    return block


def _filled_methods(given: Mapping[str, Any], default: Mapping[str, Any], order: Collection[Any]) -> dict[str, Any]:
    filled = dict(given)
    for name, settings in default.items():
        own = given.get(name)
        if isinstance(own, Mapping):
            filled[name] = {**settings, **own}
        elif own is None and name in order:
            filled[name] = settings
    return filled


class L2Inside(Section):
    """Where the real-space error is taken."""

    inside_initial_support: bool = setting(True, "inside the initial support only; False = over the whole grid")


class RankedInvariant(Section):
    """Error of the invariant of one order."""

    order: Index = setting(2, "place of the order when orders l > 0 are sorted by the strength of their invariant, 0 = the strongest")


class CcdDiff(Section):
    """Error of one circular component of the correlation."""

    C_order: Index = setting(2, "order n of the component C_n")


class RealErrors(Section):
    """Errors in real space."""

    calculate: tuple[RealMetric, ...] = setting(("l2_projection_diff",), "metrics to compute")
    l2_projection_diff: L2Inside = section(L2Inside)


class ReciprocalErrors(Section):
    """Errors in reciprocal space."""

    calculate: tuple[ReciprocalMetric, ...] = setting(
        (), "metrics to compute; all but the first two cost about as much as a step, since they are computed on the processor"
    )
    deg2_ranked_invariant_l2_diff: RankedInvariant = section(RankedInvariant)
    ccd_diff: CcdDiff = section(CcdDiff)


class MainMetrics(Section):
    """Metrics that make the main error."""

    real: tuple[RealMetric, ...] = setting(("l2_projection_diff",), "of those calculated in real space")
    reciprocal: tuple[ReciprocalMetric, ...] = setting((), "of those calculated in reciprocal space")


class MainError(Section):
    """The error that ranks reconstructions."""

    metrics: MainMetrics = section(MainMetrics)
    type: Literal["mean", "min", "max", "prod"] = setting("mean", "how the metrics are combined")


class ErrorMethods(Section):
    """Error metrics."""

    real: RealErrors = section(RealErrors)
    reciprocal: ReciprocalErrors = section(ReciprocalErrors)
    main: MainError = section(MainError)

    @model_validator(mode="after")
    def _calculated(self) -> "ErrorMethods":
        for space in ("real", "reciprocal"):
            for name in getattr(self.main.metrics, space):
                if name not in getattr(self, space).calculate:
                    raise ValueError(f"main.metrics.{space} names {name!r}, which {space}.calculate does not")
        if not (self.main.metrics.real or self.main.metrics.reciprocal):
            raise ValueError("main.metrics names no metric")
        return self


class Limits(Section):
    """Ends when the errors are small enough."""

    use: bool = setting(False, "whether the rule is in force: all errors given here must be below their values after the same step")
    main: Positive | No = setting(False, "limit of the main error; False = none")
    real: dict[RealMetric, Positive] = setting({}, "metric -> limit, of those calculated in real space")
    reciprocal: dict[ReciprocalMetric, Positive] = setting({}, "metric -> limit, of those calculated in reciprocal space")
    ends: Literal["run", "block"] = setting("run", "what ends: the run, or the block, so that the next one begins")

    @property
    def below(self) -> dict[str, float]:
        """Name of the error -> its limit."""
        named = {f"{space}/{name}": value for space in ("real", "reciprocal") for name, value in getattr(self, space).items()}
        return {**named, "main": self.main} if self.main else named


class GainLimits(Section):
    """Ends a block that no longer gains."""

    use: bool = setting(False, "whether the rule is in force")
    main: Annotated[Fraction, Field(lt=1)] = setting(
        0.02,
        "a block ends when the smallest main error of its last steps is not smaller than that of its steps before by this fraction of it",
    )
    steps: Count | No = setting(False, "number of last steps; False = as many as one iteration of the block has")


class Errors(Section):
    """Error metrics and stopping rules."""

    methods: ErrorMethods = section(ErrorMethods)
    limits: Limits = section(Limits)
    gain_limits: GainLimits = section(GainLimits)

    @model_validator(mode="after")
    def _limits_can_be_met(self) -> "Errors":
        if self.limits.use and not self.limits.below:
            raise ValueError("limits.use is True, but no limit is given; set limits.main, or limits of metrics under limits.real")
        for space in ("real", "reciprocal"):
            for name in getattr(self.limits, space):
                if name not in getattr(self.methods, space).calculate:
                    raise ValueError(f"limits.{space} names {name!r}, which methods.{space}.calculate does not")
        return self


class MainLoop(Section):
    """The phasing loop."""

    sub_loops: SubLoops = section(SubLoops)
    error: Errors = section(Errors)
    resolution_schedule: Literal["auto"] | No | tuple[tuple[Annotated[Fraction, Field(gt=0)], ...], ...] = setting(
        "auto",
        "per sub loop a list of fractions of q_max, one per iteration of the block (the last stays): the data count up to that q only,"
        " amplitudes beyond it are left free; False = all of q from the start; auto = the first block of at least 8 iterations begins with"
        " half of q and opens up, shorter blocks use all of q",
    )
    history_length: Count = setting(
        3, "for settings of the reference program; the loop keeps the last and the best density, and no result depends on more"
    )
