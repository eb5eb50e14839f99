"""Patterns of text that readers and contracts of the records share, in the syntax of Python, RE2 and pandas alike."""

CONTROL_CHARACTERS = r"[\x00-\x1f\x7f-\x9f]+"  # Unicode category Cc
# absolute, of a home folder, with backslashes or a drive letter, or going up: no path below the root of a source
LEAVES_ROOT = r"^[/~]|\\|^[A-Za-z]:|(?:^|/)\.\.(?:/|$)"
