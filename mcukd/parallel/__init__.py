"""Parallel execution of tasks in processes of this computer or on a Dask cluster."""
