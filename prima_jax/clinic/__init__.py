"""Answers for new cases by a finished run: prediction, the bundle that is handed over, explanations, the case page."""
