"""How much an answer moves when the film changes and the patient does not."""
