"""Where things lie: the program's own files, and the folder that it writes to."""

import os
from pathlib import Path

# The folder that holds cxr_core, train and pages; commands are started in it, so that `python -m train.fit` is found.
ROOT = Path(__file__).resolve().parents[2]
SHIPPED_MODELS = ROOT / "cxr_core" / "pretrained"
RECIPES = ROOT / "train" / "recipes"
# In a checkout the dashboard lies beside cxr_core; an installed package has it in a folder of its own.
APP = ROOT / "app.py" if (ROOT / "app.py").is_file() else ROOT / "silhouette_app" / "app.py"


def workspace() -> Path:
    """The folder that everything is written under: $CXR_WORKSPACE, else ./workspace."""
    return Path(os.environ.get("CXR_WORKSPACE") or "workspace")


def printable(path: str | os.PathLike[str]) -> str:
    """A path, or any other text from outside, as one line that every UTF-8 output can write.

    Bytes that are not UTF-8, control characters and marks that turn the writing direction appear as escapes such as
    `\\xfc`; all else stays. Whatever shows the name of a file shows it so.
    """
    text = os.fspath(path)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def is_utf8(path: str) -> bool:
    """Whether a path, as the system gives it, is in UTF-8: other names cannot stand in tables and databases."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _escape(char: str) -> str:
    """`\\xfc` for a byte that is not UTF-8 (a surrogate escape), as for any other character that cannot be shown."""
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
        return f"\\x{code:02x}"
    return ascii(char)[1:-1]
