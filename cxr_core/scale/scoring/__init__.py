"""An archive of films read by the installed models, into Parquet files."""
