"""Who may do what: organisations, their OAuth2 clients, people and their invitations."""
