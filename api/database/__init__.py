"""The database: SQLite inside the process, or PostgreSQL.

Reading order: `tables` (what is stored), `plans` (how a transaction is written once for both),
`sqlite` and `postgres` (how it is run), `durability` (what must hold before the server starts),
`migrate`.
"""
