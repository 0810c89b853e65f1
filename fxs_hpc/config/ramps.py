"""Values that change along the phasing: linear ramps per shrink wrap call, exponential ramps per step."""

from typing import Any

from pydantic import model_validator

from fxs_hpc.config.fields import FiniteReal, No, Section, setting


class LinearRamp(Section):
    """`[start, [stop, stop_argument], slope]`; a bare number (or False) is constant."""

    start: FiniteReal | No = setting(False, "value at the first call; False = the quantity's own default")
    stop: FiniteReal | No = setting(False, "bound that is not passed; False = the quantity's own default")
    stop_argument: FiniteReal | No = setting(False, "number of the call at which `stop` is reached, used where slope is False")
    slope: FiniteReal | No = setting(False, "change per call; False = from stop and stop_argument")

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, data: Any) -> Any:
        if isinstance(data, (list, tuple)):
            if len(data) != 3 or not isinstance(data[1], (list, tuple)) or len(data[1]) != 2:
                raise ValueError("a linear ramp is [start, [stop, stop_argument], slope], for example [20, [False, 5], -2]")
            return {"start": data[0], "stop": data[1][0], "stop_argument": data[1][1], "slope": data[2]}
        if data is False or (isinstance(data, (int, float, str)) and not isinstance(data, bool)):
            return {"start": data}
        return data

    @model_validator(mode="after")
    def _reaches_stop(self) -> "LinearRamp":
        if self.constant and self.stop and self.stop != self.start:
            raise ValueError("a linear ramp with a stop needs a stop_argument or a slope, for example [20, [False, 5], -2]")
        if self.slope and self.stop and self.start is not False and (self.stop - self.start) * self.slope < 0:
            raise ValueError(f"the slope {self.slope:g} of a linear ramp leads away from its stop {self.stop:g}")
        return self

    @property
    def constant(self) -> bool:
        """Whether every call gets `start`."""
        return not self.slope and not self.stop_argument

    def tree(self) -> Any:
        return self.start if self == LinearRamp(start=self.start) else [self.start, [self.stop, self.stop_argument], self.slope]


class ExponentialRamp(Section):
    """`[start, stop, exponent, stop_argument]`; a bare number is constant."""

    start: FiniteReal = setting(description="value at step 0")
    stop: FiniteReal | No = setting(False, "value at step stop_argument, kept from there on; False = constant")
    exponent: FiniteReal | No = setting(False, "rate per step; only its magnitude counts")
    stop_argument: FiniteReal | No = setting(False, "step at which `stop` is reached")

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, data: Any) -> Any:
        if isinstance(data, (list, tuple)):
            if len(data) != 4:
                raise ValueError("an exponential ramp is [start, stop, exponent, stop_argument], for example [0.5, 0.4, -1/250, 500]")
            return dict(zip(("start", "stop", "exponent", "stop_argument"), data, strict=True))
        if isinstance(data, (int, float, str)) and not isinstance(data, bool):
            return {"start": data}
        return data

    @model_validator(mode="after")
    def _complete(self) -> "ExponentialRamp":
        if not self.constant and not (self.exponent and self.stop_argument and self.stop_argument > 0):
            raise ValueError("a ramp needs a non-zero exponent and a positive stop_argument")
        return self

    @property
    def constant(self) -> bool:
        """Whether every step gets `start`."""
        return self.stop is False or self.stop == self.start

    def tree(self) -> Any:
        return self.start if self == ExponentialRamp(start=self.start) else [self.start, self.stop, self.exponent, self.stop_argument]
