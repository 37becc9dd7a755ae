"""What a browser tab did last on the Models page."""

from dataclasses import dataclass


@dataclass(kw_only=True, eq=False)
class Counter:
    """said: what was just done, shown once.  turns: part of the keys of widgets; with another they start empty."""

    said: str = ""
    turns: int = 0

    def tell(self, sentence: str) -> None:
        """Have the next run of the page say what was done, with empty fields."""
        self.said = sentence
        self.turns += 1

    def take_said(self) -> str:
        """What is to be said, once."""
        said, self.said = self.said, ""
        return said

    def widget(self, name: str) -> str:
        """The key of one of the page's widgets."""
        return f"models-{name}-{self.turns}"
