"""What teaches which sentences answer a question: invented news stories with questions, and the fit of the weights."""
