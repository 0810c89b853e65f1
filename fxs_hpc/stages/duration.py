"""Times in words."""


def duration(seconds: float) -> str:
    """12 s, 3 min 05 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def seconds(text: str) -> float:
    """Seconds of a time in SLURM's notation.

    Raises
    ------
    ValueError
        It is none.
    """
    days, dash, rest = text.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if not 1 <= len(parts) <= 3 or min(parts) < 0 or (dash and not days):
        raise ValueError(text)
    if dash:
        hours, minutes, rest_seconds = (*parts, 0, 0)[:3]
    else:
        hours, minutes, rest_seconds = {1: (0, parts[0], 0), 2: (0, *parts), 3: tuple(parts)}[len(parts)]
    return float(((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + rest_seconds)
