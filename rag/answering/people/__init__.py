"""Whom a question means: people of one last name, the person behind a pronoun, and who followed whom in an office."""
