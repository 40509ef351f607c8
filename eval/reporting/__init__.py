"""Results on disk, and what is made of them: comparisons, tables, plots, the published figures."""
