"""Speed, memory and endurance, beside the plain baseline."""
