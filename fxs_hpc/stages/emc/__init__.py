"""The stages of EMC: each reads files, calls pure functions, writes files."""
