"""Published tests: bank version, blueprint, design and cut scores in one document that never changes.

Reading order: `document` (what is stored), `live` (what a sitting uses), `store` (in and out of the
database), `demonstration` (the demonstration bank as a test).
"""
