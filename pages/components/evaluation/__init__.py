"""The parts of the Evaluate page: which evaluation, its headline, a file for each tab, and the films behind a point."""
