"""The baselines that Dateline is measured against, and caches of vectors that make repeated runs fast."""
