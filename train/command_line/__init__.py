"""What the commands share: how they end, their arguments, the models that they name, and how they show progress."""
