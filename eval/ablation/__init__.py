"""What each part of the product is worth: the same questions with one part off at a time."""
