"""Where state lives: PostgreSQL and nothing else. SQL is written here and nowhere else."""
