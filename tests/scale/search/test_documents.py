"""What docs/scale.md shows can be used as it stands."""

import re
from pathlib import Path

from cxr_core.scale.search.space import parse_space_text
from cxr_core.training.recipe.recipe_file import load_named_recipe

DOCUMENT = Path(__file__).parents[3] / "docs" / "scale.md"


def test_the_space_in_the_documents_is_one():
    (text,) = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.S)
    space = parse_space_text(text, load_named_recipe("pneumonia-resnet50"))
    assert set(space.ranges) == {"learning_rate", "augmentation.rotation_deg", "optimizer"}
