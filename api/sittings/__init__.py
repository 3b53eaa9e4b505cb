"""A sitting: an append-only log of events, and what follows from it.

Reading order: `log` (events, canonical JSON, the hash chain), `timing` (deadlines, interruptions), `fold`
(from events to the state of a sitting), `service` (what may happen next, one transaction each), `replay`.
"""
