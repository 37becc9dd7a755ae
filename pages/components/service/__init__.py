"""The service beside the page: films read over HTTP, and what a program needs to watch it."""
