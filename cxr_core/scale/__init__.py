"""Work beyond one machine and one try: archives scored, settings searched, runs spread over nodes."""
