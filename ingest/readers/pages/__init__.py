"""Web pages: parsing, what they state about themselves, what is visible, which of it is the article."""
