"""The parts of the Evaluate page; each tab is a module of `tabs`."""
