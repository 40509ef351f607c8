"""The runs: retrieval, answers, pages, the demo archive."""
