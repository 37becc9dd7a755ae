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
