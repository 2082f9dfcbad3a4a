"""Work in parallel: processes of this computer, or a Dask cluster."""
