"""Text of the complex FFT along phi for one length, as a function of an OpenCL program (see `engine.fft` for the algorithm)."""

import math

import numpy as np

from fxs_hpc.engine.fft import factors, result_tile


def _number(value: float) -> str:
    return f"(REAL)({float(value)!r})"


def _twiddle_table(name: str, size: int, radix: int) -> str:
    """Roots exp(-2 pi i k p / size), k = 1..radix-1, for every p < size / radix."""
    angles = -2 * np.pi * np.outer(np.arange(size // radix), np.arange(1, radix)) / size
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=-1).reshape(len(angles), -1)
    values = ", ".join(_number(value) for value in rows.ravel())
    return f"__constant REAL {name}[] = {{{values}}};\n"


_BUTTERFLIES = {
    2: """
            const V z0r = x0r + x1r, z0i = x0i + x1i, z1r = x0r - x1r, z1i = x0i - x1i;""",
    3: f"""
            const V sr = x1r + x2r, si = x1i + x2i;
            const V dr = (x1r - x2r) * {_number(math.sqrt(3) / 2)}, di = (x1i - x2i) * {_number(math.sqrt(3) / 2)};
            const V er = x0r - (REAL)(0.5) * sr, ei = x0i - (REAL)(0.5) * si;
            const V z0r = x0r + sr, z0i = x0i + si, z1r = er + di, z1i = ei - dr, z2r = er - di, z2i = ei + dr;""",
    4: """
            const V sr = x0r + x2r, si = x0i + x2i, tr = x0r - x2r, ti = x0i - x2i;
            const V ur = x1r + x3r, ui = x1i + x3i, vr = x1r - x3r, vi = x1i - x3i;
            const V z0r = sr + ur, z0i = si + ui, z1r = tr + vi, z1i = ti - vr;
            const V z2r = sr - ur, z2i = si - ui, z3r = tr - vi, z3i = ti + vr;""",
}


def _any_butterfly(radix: int) -> str:
    """The transform of `radix` points by direct sums, pairs of inputs j and radix - j together."""
    half, lines = radix // 2, []
    for j in range(1, half + 1):
        other = radix - j
        lines.append(f"const V p{j}r = x{j}r + x{other}r, p{j}i = x{j}i + x{other}i, d{j}r = x{j}r - x{other}r, d{j}i = x{j}i - x{other}i;")
    for part in "ri":
        lines.append(f"const V z0{part} = x0{part} + " + " + ".join(f"p{j}{part}" for j in range(1, half + 1)) + ";")
    for k in range(1, half + 1):
        angles = [2 * math.pi * j * k / radix for j in range(1, half + 1)]
        for part in "ri":
            cosines = " + ".join(f"{_number(math.cos(angle))} * p{j}{part}" for j, angle in enumerate(angles, 1))
            sines = " + ".join(f"{_number(math.sin(angle))} * d{j}{part}" for j, angle in enumerate(angles, 1))
            lines.append(f"const V c{k}{part} = x0{part} + {cosines}, s{k}{part} = {sines};")
        lines.append(f"const V z{k}r = c{k}r + s{k}i, z{k}i = c{k}i - s{k}r, z{radix - k}r = c{k}r - s{k}i, z{radix - k}i = c{k}i + s{k}r;")
    return "".join(f"\n            {line}" for line in lines)


def _stage(number: int, radix: int, size: int, stride: int) -> tuple[str, str]:
    """(tables, statements) of one stage: from X to Y if `number` is even, back if it is odd."""
    source, target = (0, 2) if number % 2 == 0 else (2, 0)
    count, table = size // radix, f"twiddle_{number}"
    body = [
        f"const V x{j}r = AT({source}, b + {j * count * stride}), x{j}i = AT({source + 1}, b + {j * count * stride});" for j in range(radix)
    ]
    text = f"""    for (int b = item; b < {count * stride}; b += ITEMS_PHI) {{
            const int p = b / {stride}, o = b + p * {(radix - 1) * stride};
            """ + "\n            ".join(body)
    text += _BUTTERFLIES.get(radix) or _any_butterfly(radix)
    text += f"\n            AT({target}, o) = z0r;\n            AT({target + 1}, o) = z0i;"
    for k in range(1, radix):
        place = f"o + {k * stride}"
        if count == 1:
            text += f"\n            AT({target}, {place}) = z{k}r;\n            AT({target + 1}, {place}) = z{k}i;"
        else:
            root = f"{table}[p * {2 * radix - 2} + {2 * k - 2}], w{k}i = {table}[p * {2 * radix - 2} + {2 * k - 1}]"
            text += f"""
            const REAL w{k}r = {root};
            AT({target}, {place}) = w{k}r * z{k}r - w{k}i * z{k}i;
            AT({target + 1}, {place}) = w{k}r * z{k}i + w{k}i * z{k}r;"""
    text += "\n    }\n    SYNC;\n"
    return (_twiddle_table(table, size, radix) if count > 1 else ""), text


def fft_text(length: int) -> str:
    """OpenCL function `fft(work, lane, item)` and the tiles RE, IM in which it leaves its result."""
    tables, stages, size, stride = "", "", length, 1
    for number, radix in enumerate(factors(length)):
        table, stage = _stage(number, radix, size, stride)
        tables, stages = tables + table, stages + stage
        size, stride = size // radix, stride * radix
    result = result_tile(length)
    return (
        f"#define RE {result}\n#define IM {result + 1}\n{tables}"
        f"inline void fft(__local V* work, const int lane, const int item)\n{{\n{stages}}}\n"
    )
