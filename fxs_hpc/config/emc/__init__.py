"""The keys of EMC in config.ini: one module for each section, read by the stages that need it."""
