"""A stranger with a token, the OpenAPI document of a running server, and schemathesis.

Reading order: `place` (the server and who may ask it), `office` (what there is to reach), `tool` (one run of
the command line, and what it reached), `broken` (servers that break one promise each), `__main__` (the long
form, ``make schema``).
"""
