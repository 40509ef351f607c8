"""Files, folders, pages and feeds become articles, passages and an index."""
