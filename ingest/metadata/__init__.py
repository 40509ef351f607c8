"""What a source says about an article: dates, addresses, names."""
