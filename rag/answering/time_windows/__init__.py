"""The time that a question means: the days that it names."""
