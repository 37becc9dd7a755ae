"""States the program's version, for its reports and the models it makes; a test compares it with pyproject.toml."""

VERSION = "0.2.0"
