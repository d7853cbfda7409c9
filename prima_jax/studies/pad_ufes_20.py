"""PAD-UFES-20: smartphone photographs of skin lesions and patient data (Pacheco 2020, doi 10.17632/zr7vgbcyr2.1).

A lesion is the pair (patient_id, lesion_id): lesion_id alone recurs across patients. The fields of the block "form" are
filled in together, and are missing only in benign lesions, so their very presence tells a model something.
"""

from prima_jax.studies.study import Attribute, Study

__all__ = ["PAD_UFES_20"]

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


def _yes_no(
    name: str, sentence: str, negative: str, *, visual: bool = False, block: str = "", terms: tuple[str, ...] = ()
) -> Attribute:
    return Attribute(name, name, "yes_no", sentence, negative, visual=visual, block=block, terms=terms)


def _background(parent: str) -> Attribute:
    name, words = f"background_{parent}", f"The {parent}'s family came from {{value}}."
    # One parent asks the literature for both.
    terms = ("ancestry", "ethnic*", "descent", "white populations", "Caucasian*") if parent == "father" else ()
    return Attribute(name, name, "category", words, values=BACKGROUNDS, block=FORM, terms=terms)


PAD_UFES_20 = Study(
    name="pad_ufes_20",
    title="PAD-UFES-20",
    classes={
        "BCC": "basal cell carcinoma",
        "SCC": "squamous cell carcinoma",
        "ACK": "actinic keratosis",
        "SEK": "seborrheic keratosis",
        "MEL": "melanoma",
        "NEV": "nevus",
    },
    terms={
        "BCC": ("basal cell cancer", "basal cell skin cancer", "nonmelanoma skin cancer", "Carcinoma, Basal Cell[mh]"),
        "SCC": ("squamous cell skin cancer", "cutaneous squamous cell", "nonmelanoma skin cancer", "Skin Neoplasms[mh]"),
        "ACK": ("solar keratosis", "Keratosis, Actinic[mh]"),
        "SEK": ("seborrhoeic keratosis", "keratosis, seborrheic", "Keratosis, Seborrheic[mh]"),
        "MEL": ("malignant melanoma", "cutaneous melanoma", "Melanoma[mh]"),
        "NEV": ("naevus", "naevi", "mole", "melanocytic nevus", "Nevus, Pigmented[mh]"),
    },
    label_column="diagnostic",
    image_column="img_id",
    subject_columns=("patient_id",),
    unit_columns=("patient_id", "lesion_id"),
    manifest="metadata.csv",
    # The published archives unpack either side by side or each into a folder of its own name.
    image_folders=(
        "images",
        *(f"imgs_part_{n}" for n in (1, 2, 3)),
        *(f"imgs_part_{n}/imgs_part_{n}" for n in (1, 2, 3)),
        *(f"images/imgs_part_{n}" for n in (1, 2, 3)),
    ),
    image_suffixes=(".png", ".jpg"),
    missing=("", "UNK"),
    skip_missing_images=True,
    attributes=(
        # The skin around a lesion tells nose from ear from back.
        Attribute(
            "region",
            "region",
            "category",
            "The lesion is on the {value}.",
            values=REGIONS,
            visual=True,
            terms=("anatomic site", "body site", "head and neck", "face", "scalp", "trunk", "limbs", "sun-exposed"),
        ),
        # A raised border throws a shadow.
        _yes_no(
            "elevation",
            "The lesion is raised.",
            "The lesion is flat.",
            visual=True,
            terms=("elevated", "raised", "nodul*", "papul*"),
        ),
        # Bleeding leaves a crust.
        _yes_no("bleed", "The lesion has bled.", "The lesion has not bled.", visual=True, terms=("bleed*", "ulcerat*", "crust*")),
        # Itch and pain are felt, growth and change happen over months: no single photograph shows them.
        _yes_no("itch", "The lesion itches.", "The lesion does not itch.", terms=("itch*", "pruritus", "Pruritus[mh]")),
        _yes_no("hurt", "The lesion hurts.", "The lesion does not hurt.", terms=("pain*", "tender*")),
        _yes_no("grew", "The lesion grew.", "The lesion did not grow.", terms=("growth", "growing", "grows", "enlarg*")),
        _yes_no(
            "changed",
            "The lesion changed its look.",
            "The lesion did not change its look.",
            terms=("change", "changing", "evolving"),
        ),
        # Wrinkles and sun damage show age.
        Attribute(
            "age",
            "age",
            "number",
            "The patient is {value} years old, in the band {band}.",
            bins=(30.0, 40.0, 50.0, 60.0, 70.0, 80.0),
            visual=True,
            terms=("age", "aging", "ageing", "older", "elderly", "Age Factors[mh]"),
        ),
        # Pores and hairs give a close-up its scale.
        Attribute(
            "diameter_1",
            "diameter_1",
            "number",
            "The lesion is {value} mm long, in the band {band}.",
            bins=(6.0, 10.0, 15.0),
            visual=True,
            block=FORM,
            terms=("diameter", "lesion size", "Breslow thickness", "larger than"),
        ),
        Attribute(
            "diameter_2",
            "diameter_2",
            "number",
            "The lesion is {value} mm wide, in the band {band}.",
            bins=(5.0, 8.0, 12.0),
            visual=True,
            block=FORM,
        ),
        # Skin tone is in every pixel around the lesion.
        Attribute(
            "fitspatrick",
            "fitspatrick",
            "category",
            "The skin is of Fitzpatrick type {value}.",
            values=SKIN_TYPES,
            visual=True,
            block=FORM,
            terms=(
                "skin type",
                "Fitzpatrick",
                "fair skin",
                "fair complexion",
                "skin color",
                "skin colour",
                "Skin Pigmentation[mh]",
            ),
        ),
        # A patch of skin does not show gender.
        Attribute(
            "gender",
            "gender",
            "category",
            "The patient is a {value}.",
            values={"FEMALE": "woman", "MALE": "man"},
            block=FORM,
            terms=("sex", "gender", "men", "women", "male", "female", "Sex Factors[mh]"),
        ),
        # Habits, history and housing are known from the patient alone.
        _yes_no(
            "smoke",
            "The patient smokes.",
            "The patient does not smoke.",
            block=FORM,
            terms=("smok*", "tobacco", "cigarette", "Smoking[mh]"),
        ),
        _yes_no(
            "drink",
            "The patient drinks alcohol.",
            "The patient does not drink alcohol.",
            block=FORM,
            terms=("alcohol*", "Alcohol Drinking[mh]"),
        ),
        _yes_no(
            "pesticide",
            "The patient works with pesticides.",
            "The patient does not work with pesticides.",
            block=FORM,
            terms=("pesticide", "herbicide", "agricultural work*", "farmer", "arsenic", "Pesticides[mh]"),
        ),
        _yes_no(
            "skin_cancer_history",
            "The patient had skin cancer before.",
            "The patient had no skin cancer before.",
            block=FORM,
            terms=("history of skin cancer", "previous skin cancer", "personal history", "had melanoma", "had skin cancer"),
        ),
        _yes_no(
            "cancer_history",
            "There is cancer in the family.",
            "There is no cancer in the family.",
            block=FORM,
            terms=("family history", "relative", "inherited", "hereditary", "Genetic Predisposition to Disease[mh]"),
        ),
        _background("father"),
        _background("mother"),
        _yes_no("has_piped_water", "The home has piped water.", "The home has no piped water.", block=FORM),
        _yes_no("has_sewage_system", "The home has a sewage system.", "The home has no sewage system.", block=FORM),
        # Cancers were confirmed by biopsy, so this column gives the diagnosis away.
        Attribute("biopsed", "biopsed", "yes_no", "A biopsy was taken.", "No biopsy was taken.", shown=False),
    ),
)
