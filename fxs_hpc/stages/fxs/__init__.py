"""The stages of fluctuation X-ray scattering: each reads files, calls pure functions, writes files."""
