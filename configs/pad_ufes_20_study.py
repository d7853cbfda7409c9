"""PAD-UFES-20: smartphone photographs of skin lesions and patient data (Pacheco 2020, doi 10.17632/zr7vgbcyr2.1).

A lesion is the pair (patient_id, lesion_id): lesion_id alone recurs across patients. The fields of the block "form" are
filled in together, and are missing only in benign lesions, so their very presence tells a model something.
"""

from configs.skin_terms import TERMS

__all__ = ["get_study"]

FORM = "form"

BACKGROUNDS = {
    "AUSTRIA": "Austria",
    "BRASIL": "Brazil",  # the file holds both spellings
    "BRAZIL": "Brazil",
    "CZECH": "Bohemia",
    "FRANCE": "France",
    "GERMANY": "Germany",
    "ISRAEL": "Israel",
    "ITALY": "Italy",
    "NETHERLANDS": "the Netherlands",
    "NORWAY": "Norway",
    "POLAND": "Poland",
    "POMERANIA": "Pomerania",
    "PORTUGAL": "Portugal",
    "SPAIN": "Spain",
}

REGIONS = {
    "ABDOMEN": "abdomen",
    "ARM": "arm",
    "BACK": "back",
    "CHEST": "chest",
    "EAR": "ear",
    "FACE": "face",
    "FOOT": "foot",
    "FOREARM": "forearm",
    "HAND": "hand",
    "LIP": "lip",
    "NECK": "neck",
    "NOSE": "nose",
    "SCALP": "scalp",
    "THIGH": "thigh",
}

# The published file writes 1.0 to 6.0.
SKIN_TYPES = {f"{n}{end}": roman for n, roman in enumerate(("I", "II", "III", "IV", "V", "VI"), 1) for end in (".0", "")}


def get_study() -> dict:
    """The study as plain values, read by `prima_jax.studies.study_config.study_from_config`."""
    return {
        "name": "pad_ufes_20",
        "title": "PAD-UFES-20",
        "label_column": "diagnostic",
        "classes": (
            ("BCC", "basal cell carcinoma"),
            ("SCC", "squamous cell carcinoma"),
            ("ACK", "actinic keratosis"),
            ("SEK", "seborrheic keratosis"),
            ("MEL", "melanoma"),
            ("NEV", "nevus"),
        ),
        "terms": TERMS,
        "image_column": "img_id",
        "subject_columns": ("patient_id",),
        "unit_columns": ("patient_id", "lesion_id"),
        "manifest": "metadata.csv",
        # The published archives unpack either side by side or each into a folder of its own name.
        "image_folders": (
            "images",
            *(f"imgs_part_{n}" for n in (1, 2, 3)),
            *(f"imgs_part_{n}/imgs_part_{n}" for n in (1, 2, 3)),
            *(f"images/imgs_part_{n}" for n in (1, 2, 3)),
        ),
        "image_suffixes": (".png", ".jpg"),
        "missing": ("", "UNK"),
        "skip_missing_images": True,
        "attributes": (
            # The skin around a lesion tells nose from ear from back.
            {
                "name": "region",
                "kind": "category",
                "values": REGIONS,
                "sentence": "The lesion is on the {value}.",
                "visual": True,
                "terms": ("anatomic site", "body site", "head and neck", "face", "scalp", "trunk", "limbs", "sun-exposed"),
            },
            # A raised border throws a shadow.
            {
                "name": "elevation",
                "kind": "yes_no",
                "sentence": "The lesion is raised.",
                "negative": "The lesion is flat.",
                "visual": True,
                "terms": ("elevated", "raised", "nodul*", "papul*"),
            },
            # Bleeding leaves a crust.
            {
                "name": "bleed",
                "kind": "yes_no",
                "sentence": "The lesion has bled.",
                "negative": "The lesion has not bled.",
                "visual": True,
                "terms": ("bleed*", "ulcerat*", "crust*"),
            },
            # Itch and pain are felt, growth and change happen over months: no single photograph shows them.
            {
                "name": "itch",
                "kind": "yes_no",
                "sentence": "The lesion itches.",
                "negative": "The lesion does not itch.",
                "terms": ("itch*", "pruritus", "Pruritus[mh]"),
            },
            {
                "name": "hurt",
                "kind": "yes_no",
                "sentence": "The lesion hurts.",
                "negative": "The lesion does not hurt.",
                "terms": ("pain*", "tender*"),
            },
            {
                "name": "grew",
                "kind": "yes_no",
                "sentence": "The lesion grew.",
                "negative": "The lesion did not grow.",
                "terms": ("rapid growth", "grow", "growing", "grew", "enlarg*"),
            },
            {
                "name": "changed",
                "kind": "yes_no",
                "sentence": "The lesion changed its look.",
                "negative": "The lesion did not change its look.",
                "terms": ("change", "changing", "evolving"),
            },
            # Wrinkles and sun damage show age.
            {
                "name": "age",
                "kind": "number",
                "sentence": "The patient is {value} years old, in the band {band}.",
                "bins": (30.0, 40.0, 50.0, 60.0, 70.0, 80.0),
                "visual": True,
                "terms": ("age", "aging", "ageing", "older", "elderly", "Age Factors[mh]"),
            },
            # Pores and hairs give a close-up its scale.
            {
                "name": "diameter_1",
                "kind": "number",
                "sentence": "The lesion is {value} mm long, in the band {band}.",
                "bins": (6.0, 10.0, 15.0),
                "visual": True,
                "block": FORM,
                "terms": ("diameter", "lesion size", "Breslow thickness", "larger than"),
            },
            {
                "name": "diameter_2",
                "kind": "number",
                "sentence": "The lesion is {value} mm wide, in the band {band}.",
                "bins": (5.0, 8.0, 12.0),
                "visual": True,
                "block": FORM,
            },
            # Skin tone is in every pixel around the lesion.
            {
                "name": "fitspatrick",
                "kind": "category",
                "values": SKIN_TYPES,
                "sentence": "The skin is of Fitzpatrick type {value}.",
                "visual": True,
                "block": FORM,
                "terms": (
                    "skin type",
                    "Fitzpatrick",
                    "fair skin",
                    "fair complexion",
                    "skin color",
                    "skin colour",
                    "Skin Pigmentation[mh]",
                ),
            },
            # A patch of skin does not show gender.
            {
                "name": "gender",
                "kind": "category",
                "values": {"FEMALE": "woman", "MALE": "man"},
                "sentence": "The patient is a {value}.",
                "block": FORM,
                "terms": ("sex", "gender", "men", "women", "male", "female", "Sex Factors[mh]"),
            },
            # Habits, history and housing are known from the patient alone.
            {
                "name": "smoke",
                "kind": "yes_no",
                "sentence": "The patient smokes.",
                "negative": "The patient does not smoke.",
                "block": FORM,
                "terms": ("smok*", "tobacco", "cigarette", "Smoking[mh]"),
            },
            {
                "name": "drink",
                "kind": "yes_no",
                "sentence": "The patient drinks alcohol.",
                "negative": "The patient does not drink alcohol.",
                "block": FORM,
                "terms": ("alcohol*", "Alcohol Drinking[mh]"),
            },
            {
                "name": "pesticide",
                "kind": "yes_no",
                "sentence": "The patient works with pesticides.",
                "negative": "The patient does not work with pesticides.",
                "block": FORM,
                "terms": ("pesticide", "herbicide", "agricultural work*", "farmer", "Pesticides[mh]"),
            },
            {
                "name": "skin_cancer_history",
                "kind": "yes_no",
                "sentence": "The patient had skin cancer before.",
                "negative": "The patient had no skin cancer before.",
                "block": FORM,
                "terms": (
                    "history of skin cancer",
                    "previous skin cancer",
                    "personal history",
                    "had melanoma",
                    "had skin cancer",
                ),
            },
            {
                "name": "cancer_history",
                "kind": "yes_no",
                "sentence": "There is cancer in the family.",
                "negative": "There is no cancer in the family.",
                "block": FORM,
                "terms": ("family history", "relatives", "inherited", "hereditary", "Genetic Predisposition to Disease[mh]"),
            },
            # One parent asks the literature for both.
            {
                "name": "background_father",
                "kind": "category",
                "values": BACKGROUNDS,
                "sentence": "The father's family came from {value}.",
                "block": FORM,
                "terms": ("ancestry", "ethnic*", "descent", "white populations", "Caucasian*"),
            },
            {
                "name": "background_mother",
                "kind": "category",
                "values": BACKGROUNDS,
                "sentence": "The mother's family came from {value}.",
                "block": FORM,
            },
            {
                "name": "has_piped_water",
                "kind": "yes_no",
                "sentence": "The home has piped water.",
                "negative": "The home has no piped water.",
                "block": FORM,
            },
            {
                "name": "has_sewage_system",
                "kind": "yes_no",
                "sentence": "The home has a sewage system.",
                "negative": "The home has no sewage system.",
                "block": FORM,
            },
            # Cancers were confirmed by biopsy, so this column gives the diagnosis away.
            {
                "name": "biopsed",
                "kind": "yes_no",
                "sentence": "A biopsy was taken.",
                "negative": "No biopsy was taken.",
                "shown": False,
            },
        ),
    }
