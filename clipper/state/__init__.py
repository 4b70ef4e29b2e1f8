"""Where the registry's documents are kept: one interface, one contract test suite, several backends."""
