"""Speed, memory and endurance, beside a plain baseline."""
