"""The AQUA study: what each column of its manifest.csv means. Copy this file to describe a cohort of your own.

The folder holds `manifest.csv` (one row per photograph, the risk factors repeated on every row of an eye) and the
photographs in `images/`. Order matters in `classes` (columns of every table) and `views` (order in which an eye's scans
are shown to the LLM), so both are pairs (value in the file, its words), not mappings.
"""

__all__ = ["get_study"]


def get_study() -> dict:
    """The study as plain values, read by `prima_jax.studies.study_config.study_from_config`."""
    return {
        "name": "aqua",
        "title": "AQUA (slit-lamp keratitis)",
        "label_column": "organism",
        "classes": (("bacterial", "bacterial keratitis"), ("fungal", "fungal keratitis")),
        "image_column": "image",
        "subject_columns": ("subject",),
        "unit_columns": ("subject", "eye"),
        "view_column": "illumination",
        "views": (("white", "diffuse white light"), ("blue", "diffuse blue light"), ("scatter", "sclerotic scatter")),
        "missing": ("", "NA", "unknown"),
        "attributes": (
            # Signs that a clinician wrote down and that a photograph can show.
            {
                "name": "infiltrate_size_mm",
                "kind": "number",
                "sentence": "The infiltrate measures {value} mm, in the band {band}.",
                "bins": (2.0, 4.0),
                "visual": True,
            },
            {
                "name": "infiltrate_location",
                "kind": "category",
                "values": {"central": "central", "paracentral": "paracentral", "peripheral": "peripheral"},
                "sentence": "The infiltrate lies in the {value} cornea.",
                "visual": True,
            },
            {
                "name": "hypopyon",
                "kind": "yes_no",
                "sentence": "There is a hypopyon.",
                "negative": "There is no hypopyon.",
                "visual": True,
            },
            {
                "name": "prior_keratoplasty",
                "kind": "yes_no",
                "sentence": "The eye carries a corneal graft.",
                "negative": "The eye carries no corneal graft.",
                "visual": True,  # a graft's edge and sutures show under the slit lamp
            },
            # History and risk factors, which a photograph does not show.
            {
                "name": "contact_lens",
                "kind": "yes_no",
                "sentence": "The patient wears contact lenses.",
                "negative": "The patient does not wear contact lenses.",
            },
            {
                "name": "trauma",
                "kind": "category",
                "values": {
                    "none": "no injury",
                    "plant": "an injury with plant matter",
                    "metal": "an injury with metal",
                    "other": "an injury with other material",
                },
                "sentence": "The eye had {value}.",
            },
            {
                "name": "outdoor_work",
                "kind": "yes_no",
                "sentence": "The patient works on the land.",
                "negative": "The patient does not work on the land.",
            },
            {
                "name": "steroid_drops",
                "kind": "yes_no",
                "sentence": "Steroid drops were used.",
                "negative": "Steroid drops were not used.",
            },
            {
                "name": "prior_antibiotic",
                "kind": "yes_no",
                "sentence": "An antibiotic was used before.",
                "negative": "No antibiotic was used before.",
            },
            {
                "name": "prior_antifungal",
                "kind": "yes_no",
                "sentence": "An antifungal was used before.",
                "negative": "No antifungal was used before.",
            },
            {
                "name": "ocular_surface_disease",
                "kind": "yes_no",
                "sentence": "The patient has ocular surface disease.",
                "negative": "The patient has no ocular surface disease.",
            },
            {
                "name": "diabetes",
                "kind": "yes_no",
                "sentence": "The patient has diabetes.",
                "negative": "The patient has no diabetes.",
            },
            {
                "name": "days_of_symptoms",
                "kind": "number",
                "sentence": "Days of symptoms: {value}, in the band {band}.",
                "bins": (3.0, 7.0, 14.0),
            },
            {
                "name": "age",
                "kind": "number",
                "sentence": "The patient is {value} years old, in the band {band}.",
                "bins": (30.0, 45.0, 60.0, 75.0),
            },
            {
                "name": "sex",
                "kind": "category",
                "values": {"female": "woman", "male": "man"},
                "sentence": "The patient is a {value}.",
            },
        ),
    }
