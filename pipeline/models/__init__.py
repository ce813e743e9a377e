"""The built-in models: one small ViT, its text side, a region classifier and a clip model, trained on rendered scenes.

Importing this package needs no torch; what runs a model does, and says so in words when it is missing.
"""
