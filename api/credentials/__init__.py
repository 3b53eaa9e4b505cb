"""Results as badges that other programs read: Open Badges 3.0 on W3C Verifiable Credentials 2.0.

Reading order: `document` (a result's claims as a badge), `proof` (its signature, eddsa-rdfc-2022), `did`
(whose keys), `lists` (what no longer stands, Bitstring Status List 1.0), `making`, `checking`, `endpoints`.
`docs/decisions/credential.md` says why it is as it is.
"""
