"""Candidate to assessment: prompt, vision-language model, verdict, report."""
