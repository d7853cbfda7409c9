"""The AQUA study: what each column of its manifest.csv means. Copy this file to describe a cohort of your own.

The folder holds `manifest.csv` (one row per photograph, the risk factors repeated on every row of an eye) and the
photographs in `images/`. Order matters in `classes` (columns of every table) and `image_types` (order in which an eye's scans
are shown to the LLM), so both are pairs (value in the file, its words), not mappings.
"""

__all__ = ["get_study"]

# What is called infectious or microbial keratitis as well, or is keratitis without an infection.
OTHER_KERATITIS = (
    "acanthamoeb*",
    "amoeb*",
    "ameb*",
    "herpes*",
    "herpetic",
    "HSV",
    "zoster",
    "varicella",
    "dendritic",
    "viral",
    "adenovir*",
    "microsporidi*",
    "protozoa*",
    "parasit*",
    "trachoma",
    "neurotrophic",
    "hereditary",
    "interstitial keratitis",
)


def get_study() -> dict:
    """The study as plain values, read by `prima_jax.studies.study_config.study_from_config`."""
    return {
        "name": "aqua",
        "title": "AQUA (slit-lamp keratitis)",
        "label_column": "organism",
        "classes": (("bacterial", "bacterial keratitis"), ("fungal", "fungal keratitis")),
        "terms": (  # what the literature calls the diagnoses and, below, the attributes: for the knowledge corpus alone
            (
                "bacterial",
                {
                    "names": ("infectious keratitis", "microbial keratitis"),
                    "context": (
                        "bacteri*",
                        "pseudomonas",
                        "staphylococc*",
                        "streptococc*",
                        "gram-positive",
                        "gram-negative",
                        "Eye Infections, Bacterial[mh]",
                        "Corneal Ulcer[mh]",
                        "Keratitis[mh]",
                    ),
                    "excluded": OTHER_KERATITIS,
                },
            ),
            (
                "fungal",
                {
                    "names": ("keratomycosis", "mycotic keratitis", "infectious keratitis", "microbial keratitis"),
                    "context": (
                        "fung*",
                        "mycotic",
                        "keratomycosis",
                        "fusarium",
                        "aspergill*",
                        "candida",
                        "filamentous",
                        "Eye Infections, Fungal[mh]",
                        "Corneal Ulcer[mh]",
                        "Keratitis[mh]",
                    ),
                    "excluded": OTHER_KERATITIS,
                },
            ),
        ),
        "image_column": "image",
        "subject_columns": ("subject",),
        "unit_columns": ("subject", "eye"),
        "image_type_column": "illumination",
        "image_types": (("white", "diffuse white light"), ("blue", "diffuse blue light"), ("scatter", "sclerotic scatter")),
        "missing": ("", "NA", "unknown"),
        "attributes": (
            # Signs that a clinician wrote down and that a photograph can show.
            {
                "name": "infiltrate_size_mm",
                "kind": "number",
                "sentence": "The infiltrate measures {value} mm, in the band {band}.",
                "bins": (2.0, 4.0),
                "visual": True,
                "terms": ("infiltrate size", "ulcer size", "size of the infiltrate"),
            },
            {
                "name": "infiltrate_location",
                "kind": "category",
                "values": {"central": "central", "paracentral": "paracentral", "peripheral": "peripheral"},
                "sentence": "The infiltrate lies in the {value} cornea.",
                "visual": True,
                "terms": ("central", "paracentral", "peripheral"),
            },
            {
                "name": "hypopyon",
                "kind": "yes_no",
                "sentence": "There is a hypopyon.",
                "negative": "There is no hypopyon.",
                "visual": True,
                "terms": ("hypopyon",),
            },
            {
                "name": "prior_keratoplasty",
                "kind": "yes_no",
                "sentence": "The eye carries a corneal graft.",
                "negative": "The eye carries no corneal graft.",
                "visual": True,  # a graft's edge and sutures show under the slit lamp
                "terms": ("keratoplasty", "corneal graft", "corneal transplant", "Corneal Transplantation[mh]"),
            },
            # History and risk factors, which a photograph does not show.
            {
                "name": "contact_lens",
                "kind": "yes_no",
                "sentence": "The patient wears contact lenses.",
                "negative": "The patient does not wear contact lenses.",
                "terms": ("contact lens", "Contact Lenses[mh]"),
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
                "terms": ("trauma", "injury", "foreign body", "vegetative matter", "Eye Injuries[mh]"),
            },
            {
                "name": "outdoor_work",
                "kind": "yes_no",
                "sentence": "The patient works on the land.",
                "negative": "The patient does not work on the land.",
                "terms": ("agricultur*", "farm*", "outdoor", "on the land", "Agricultural Workers' Diseases[mh]"),
            },
            {
                "name": "steroid_drops",
                "kind": "yes_no",
                "sentence": "Steroid drops were used.",
                "negative": "Steroid drops were not used.",
                "terms": ("corticosteroid", "steroid"),
            },
            {
                "name": "prior_antibiotic",
                "kind": "yes_no",
                "sentence": "An antibiotic was used before.",
                "negative": "No antibiotic was used before.",
                "terms": ("antibiotic", "antibacterial"),
            },
            {
                "name": "prior_antifungal",
                "kind": "yes_no",
                "sentence": "An antifungal was used before.",
                "negative": "No antifungal was used before.",
                "terms": ("antifungal", "natamycin", "voriconazole"),
            },
            {
                "name": "ocular_surface_disease",
                "kind": "yes_no",
                "sentence": "The patient has ocular surface disease.",
                "negative": "The patient has no ocular surface disease.",
                "terms": ("ocular surface disease", "dry eye", "blepharitis"),
            },
            {
                "name": "diabetes",
                "kind": "yes_no",
                "sentence": "The patient has diabetes.",
                "negative": "The patient has no diabetes.",
                "terms": ("diabetes", "diabetic", "Diabetes Mellitus[mh]"),
            },
            {
                "name": "days_of_symptoms",
                "kind": "number",
                "sentence": "Days of symptoms: {value}, in the band {band}.",
                "bins": (3.0, 7.0, 14.0),
                "terms": ("duration of symptoms", "days of symptoms", "delay"),
            },
            {
                "name": "age",
                "kind": "number",
                "sentence": "The patient is {value} years old, in the band {band}.",
                "bins": (30.0, 45.0, 60.0, 75.0),
                "terms": ("age", "older", "elderly"),
            },
            {
                "name": "sex",
                "kind": "category",
                "values": {"female": "woman", "male": "man"},
                "sentence": "The patient is a {value}.",
                "terms": ("sex", "gender", "men", "women", "male", "female"),
            },
        ),
    }
