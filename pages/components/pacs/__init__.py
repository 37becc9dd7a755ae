"""From PACS: search an archive, open a study, and send results back."""
