"""Names of the FXS commands, for those who do not need their settings."""

NAMES = ("simulate_ccd", "simulate_patterns", "correlate", "extract", "reconstruct", "average")
