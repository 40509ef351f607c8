"""Tests of the page in a real browser. A package, so that its conftest does not hide the one above."""
