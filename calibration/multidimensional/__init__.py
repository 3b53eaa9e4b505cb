"""Item parameters in several dimensions: confirmatory and bifactor models.

Read `pattern.py` (which item measures what, and whether responses can tell), `likelihood.py` (the E-step and
its gradient, for any way to integrate), then the ways: `windows.py` where each item measures one dimension,
`grids.py` for bifactor models and for items that measure several.
"""
