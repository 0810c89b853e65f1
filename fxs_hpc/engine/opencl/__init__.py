"""The phasing step on OpenCL devices."""
