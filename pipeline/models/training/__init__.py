"""How the built-in models are trained: samples from rendered scenes, one loop for every stage, a log and a card.

Everything is a pure function of the seed and the number of the step: nothing is drawn from a clock, and a run that
was interrupted goes on as if it had not been.
"""
