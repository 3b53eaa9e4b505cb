"""The 1EdTech CAT 1.0 REST binding under ``/ims/cat/v1p0``: our engine behind another test player.

The other player renders and scores; here an item is chosen, a result is taken in, and a sitting's log is
kept as for our own candidates. Reading order: `wire` (what travels, and what is forgiven), `service`,
`endpoints`. We implement the binding; nobody has certified it.
"""
