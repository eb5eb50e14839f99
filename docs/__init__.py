"""The documentation: the pages, and what writes their generated parts."""
