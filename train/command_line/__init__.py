"""What the commands share: their arguments, the models that they name, and how they show progress."""
