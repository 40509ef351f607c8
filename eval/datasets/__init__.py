"""Questions, labels and inputs to measure with."""
