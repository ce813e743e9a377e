"""Sightline: live cameras in, verified and explained alerts out. `docs/architecture.md` maps the packages."""
