"""The tables of the catalogue, a module for each kind of content; `rag.archive.catalog` puts them together."""
