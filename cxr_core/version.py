"""The program's version, as its reports and the models it makes state it; a test holds pyproject.toml to it."""

VERSION = "0.2.0"
