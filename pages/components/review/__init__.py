"""The parts of the Review page: a project, its queue, the film to be read next, disputes, and label layers."""
