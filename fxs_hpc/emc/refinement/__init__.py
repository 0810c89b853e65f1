"""Orientations off the grid: a peak model, its likelihood maximised over rotations and scales, heights of the reflections.

Nothing here reads a file or knows of ranks: functions take arrays of a block of frames and give arrays back; what has to be summed over
all frames goes through a function that the caller supplies.
"""
