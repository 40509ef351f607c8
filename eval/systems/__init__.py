"""What Dateline is measured against, and the caches that make runs quick."""
