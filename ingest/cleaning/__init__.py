"""What of a text may be kept: visible words without markup, teasers and furniture."""
