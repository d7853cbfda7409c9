"""What a clinic uses of a finished run: its models on new cases, a folder to hand over, explanations, a page."""
