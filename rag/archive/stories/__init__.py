"""Articles on one unfolding event, threaded into stories as they are stored."""
