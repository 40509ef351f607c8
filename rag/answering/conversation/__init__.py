"""What a question means that follows others: its subject, its days, its form."""
