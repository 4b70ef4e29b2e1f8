"""The names of input types and element types; used by the core alone."""
