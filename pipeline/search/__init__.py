"""What is asked of all that was kept: tools with typed arguments, and the dialogue of a model that calls them."""
