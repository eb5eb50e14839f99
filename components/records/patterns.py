"""What readers and contracts of the records ask of text; patterns are in the syntax of Python, RE2 and pandas alike."""

CONTROL_CHARACTERS = r"[\x00-\x1f\x7f-\x9f]+"  # Unicode category Cc
# absolute, of a home folder, with backslashes or a drive letter, or going up: no path below the root of a source
LEAVES_ROOT = r"^[/~]|\\|^[A-Za-z]:|(?:^|/)\.\.(?:/|$)"


def option_key(text: str) -> str:
    """Return what two options of a question share that differ only in case, spaces or a full stop at the end.

    >>> option_key(" On the  table. ") == option_key("on the table")
    True
    """
    return " ".join(text.split()).removesuffix(".").rstrip().casefold()
