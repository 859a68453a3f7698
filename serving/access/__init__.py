"""Who may use the service: API keys with scopes, how often, from where, and how large a request may be."""
