"""Keys: the Ed25519 key that signs results, the public halves at the JWKS address, and one server secret."""
