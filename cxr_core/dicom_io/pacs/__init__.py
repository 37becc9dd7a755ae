"""The client of picture archives (PACS): searches studies, fetches their films, sends results and confirms them."""
