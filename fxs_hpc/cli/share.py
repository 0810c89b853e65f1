"""K/N on the command line."""

import click


class Share(click.ParamType):
    """The share K of N, K = 0 .. N-1."""

    name = "K/N"

    def convert(self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """K and N."""
        if isinstance(value, tuple):
            return value
        share, _, shares = value.partition("/")
        if not (share.isdigit() and shares.isdigit() and int(share) < int(shares)):
            self.fail(f"{value!r} is no share K/N with K = 0 .. N-1, for example 0/4", param, ctx)
        return int(share), int(shares)
