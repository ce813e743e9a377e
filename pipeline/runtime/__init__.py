"""Who hosts the stages: `local` runs them all in one process."""
