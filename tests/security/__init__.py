"""Attacks that were tried on Dateline, each through the door that it came by."""
