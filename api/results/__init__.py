"""Results: issued at the end of a sitting, signed, and handed to whoever may have them.

Reading order: `claims` (what a result says), `issue` (how it comes about), `feed` and `table` (how HR
systems fetch it), `credential` (the signed file and its verification), `endpoints`.
"""
