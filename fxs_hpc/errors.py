"""Errors meant for the user: each names the cause, the value found, what was expected, and the remedy."""


class FxsError(Exception):
    """Base of every error that is reported to the user without a traceback."""

    exit_code = 1


class UsageError(FxsError):
    """The command line is off."""

    exit_code = 2


class SettingsError(FxsError):
    """A settings file or config.ini holds something that is not allowed."""

    exit_code = 2


class InputFileError(FxsError):
    """An input file is missing, unreadable, or not of the expected format."""


class DataError(FxsError):
    """Input data were read but cannot be used (NaN, wrong shape, empty support, ...)."""


class NumericalError(FxsError):
    """A computation broke down (no convergence, NaN)."""
