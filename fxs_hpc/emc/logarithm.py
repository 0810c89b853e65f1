"""A natural logarithm that becomes vector instructions inside a compiled loop (the library's is called number by number)."""

from typing import Any

import numba
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_HALF_ROOT = 0x3FE6A09E667F3BCD
"""sqrt(1/2) as bits: what lies above it by whole powers of two is the exponent, and the rest is in [sqrt(1/2), sqrt(2))."""
_LN2 = 0.6931471805599453


@intrinsic
def _bits(typing_context, value):  # type: ignore[no-untyped-def]
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def _number(typing_context, bits):  # type: ignore[no-untyped-def]
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


@njit(forceinline=True, error_model="numpy")
def logarithm(x):  # type: ignore[no-untyped-def]
    """log(x) of a positive normal float64, to 2e-15 absolutely and relatively.

    x = 2^e m, log m = 2 artanh(z) with z = (m - 1) / (m + 1), |z| <= 0.172.
    """
    exponent = (_bits(x) - _HALF_ROOT) >> 52  # type: ignore[call-arg]
    m = _number(_bits(x) - (exponent << 52))
    z = (m - 1.0) / (m + 1.0)
    y = z * z
    p = 1 / 17
    p = p * y + 1 / 15
    p = p * y + 1 / 13
    p = p * y + 1 / 11
    p = p * y + 1 / 9
    p = p * y + 1 / 7
    p = p * y + 1 / 5
    p = p * y + 1 / 3
    return exponent * _LN2 + 2 * z * (p * y + 1.0)


logarithms = numba.vectorize(["float64(float64)"], cache=True)(logarithm.py_func)
"""`logarithm` as a NumPy ufunc."""
