"""Folds × seeds × sizes × bits × methods from one grid, on this computer or a Dask cluster, resumable."""
