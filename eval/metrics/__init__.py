"""Metrics of retrieval and of answers, and their confidence intervals."""
