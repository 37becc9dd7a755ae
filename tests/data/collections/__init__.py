"""The layouts in which collections of chest films come, each as a tiny example with what must be read from it."""
