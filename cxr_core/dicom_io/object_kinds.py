"""Names the kinds of objects that can be made of a reading."""

from cxr_core.errors import SettingsError

KINDS = {
    "sr": "structured report",
    "image": "key image",
    "pdf": "report as PDF",
    "segmentation": "heart and lungs",
}
USUAL_KINDS = ("sr", "image", "pdf")


def parse_kinds(text: str) -> tuple[str, ...]:
    """Kinds separated by commas, each once, in the order of KINDS. Raises SettingsError."""
    chosen = {word.strip() for word in text.split(",") if word.strip()}
    unknown = sorted(chosen - set(KINDS))
    if unknown or not chosen:
        found = f"unknown object {unknown[0]!r}" if unknown else "no object is named"
        raise SettingsError(f"{found}; choose from {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in chosen)
