"""The decision store: what was decided, what came of it, and what people said of it. SQLite, or PostgreSQL by address."""
