"""File formats of EMC: one module for each, whose docstring is the format's specification."""
