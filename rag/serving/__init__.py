"""What a server needs around answering: a queue, keys, rate limits, metrics, traces."""
