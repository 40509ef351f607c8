"""What runs leave behind: figures, comparisons, tables, plots."""
