"""The case page: a clinician types what is known, adds photographs, and reads the answer; nothing is kept."""
