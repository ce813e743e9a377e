"""API and pages: what a guard, an operator and an integrator open. Nothing here decides; it shows and asks."""
