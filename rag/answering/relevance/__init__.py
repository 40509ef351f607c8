"""How well a sentence answers a question, told from vectors by weights that were learned from questions to news."""
