"""Work on a Dask cluster: what it needs to be reached, and calibration with workers that read the persons.

`connection` is shared with simulation studies. For calibration, `chunk` is what a worker does, `held` what it
keeps, `data` the side that asks.
"""
