"""What is measured: retrieval, answers, page extraction, the demo archive, generated hostile files."""
