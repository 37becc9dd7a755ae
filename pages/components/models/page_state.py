"""What one browser tab holds on the Models page: the message about the last change."""

from dataclasses import dataclass

PARAMETER = "model"  # of the page's address: a link leads to one model


@dataclass(kw_only=True, eq=False)
class ModelsPageState:
    """message: what was just done, shown once.  widget_generation: part of widget keys; a new one empties them."""

    message: str = ""
    widget_generation: int = 0

    def report_change(self, sentence: str) -> None:
        """Show this sentence at the page's next run, with empty fields."""
        self.message = sentence
        self.widget_generation += 1

    def take_message(self) -> str:
        """The message to show, once."""
        message, self.message = self.message, ""
        return message

    def widget_key(self, name: str) -> str:
        """The key of one of the page's widgets."""
        return f"models-{name}-{self.widget_generation}"
