"""Questions, relevance labels and generated inputs to measure with."""
