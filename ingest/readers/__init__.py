"""Files of every format become records with fields."""
