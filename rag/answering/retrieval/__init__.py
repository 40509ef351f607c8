"""Which passages answer a question: the search, and the searches that its form and its days call for."""
