"""The pages of staff under ``/console``: HR, juries, psychometricians, those who manage accounts.

``desk.py`` says who may come in and what every page has in common; each other file is one room. What the
rooms do is done by the coroutines and plans that the API and the commands use, in one transaction with its
entry in the audit log.
"""
