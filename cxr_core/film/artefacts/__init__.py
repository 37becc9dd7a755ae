"""Marks and pictures on a film that are not the patient: burned-in text, and a film that was photographed."""
