"""Several archives behind one server, each with keys, pages and an API of its own."""
