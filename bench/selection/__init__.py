"""Selection policies in simulated worlds: regret against theory, and the paper's figure 8."""
