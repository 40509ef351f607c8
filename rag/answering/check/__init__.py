"""Whether quotations say what a sentence says: who did what to whom, when, and whether at all."""
