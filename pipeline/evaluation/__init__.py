"""Events that were told against events that were there: the scorer behind `sightline eval`.

Knows nothing of cameras, models or stores: spans of time in, figures out. Other parts hand in what they have told.
"""
