"""The parts of a TIFF: directories, the layout of a page, its strips and tiles."""
