"""Telling HR systems of results at addresses that they have registered (Standard Webhooks 1.0).

The row in the outbox is written in the transaction that changes a result; one sender at a time takes it
from there. A message is sent at least once, always under the same ``webhook-id``, until it is accepted or
has failed for two days; what failed stays for an operator to see and to send again.

Reading order: `store` (what is stored), `message` (what is sent, how signed), `post` (one request, to
public addresses alone), `sender` (what is sent when), `endpoints`.
"""
