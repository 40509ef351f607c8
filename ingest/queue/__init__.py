"""Articles that wait in the catalogue's PostgreSQL for `dateline worker` processes, on any number of machines."""
