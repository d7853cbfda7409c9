"""The words of the literature for the diseases of PAD-UFES-20 and for their namesakes, which only the knowledge corpus reads.

A list of words is read across, hence its form.
"""

__all__ = ["TERMS"]

# fmt: off
_SKIN = (
    "skin", "cutaneous", "dermat*", "dermoscop*", "keratinocyte", "nonmelanoma", "sun", "sunlight", "ultraviolet", "UV",
    "Skin Neoplasms[mh]",
)
_EYE = (
    "uveal", "uvea", "choroid*", "ciliary body", "iris", "melanoma of the eye", "eye melanoma", "retinal", "intraocular",
    "ocular", "conjunctiv*", "Eye Neoplasms",
)
_OTHER_SQUAMOUS = (
    "oesophag*", "esophag*", "ESCC", "lung cancer", "lung carcinoma", "carcinoma of the lung", "lung neoplasm",
    "lung squamous", "pulmonary", "bronch*", "non-small cell", "NSCLC", "head and neck squamous", "head and neck cancer",
    "HNSCC", "mouth", "oral cavity", "oral squamous", "oral cancer", "oral mucos*", "OSCC", "tongue", "oropharyn*",
    "hypopharyn*", "nasopharyn*", "pharyn*", "laryn*", "sinonasal", "thymic", "thymus", "cervix", "cervical cancer",
    "cervical squamous", "uterine", "vulv*", "vagin*", "penile", "penis", "anal", "bladder", "urothelial",
)
_OTHER_NEVI = (
    "hydatid*", "molar pregnanc*", "gestational", "trophoblast*", "choriocarcinoma", "epidermal nevus", "epidermal naevus",
    "nevus sebace*", "naevus sebace*", "sebaceous", "white sponge", "blue rubber", "nevoid basal cell", "basal cell nevus",
    "basal cell naevus", "flammeus", "Becker*", "linear verrucous", "spider nevus", "spider naevus", "port-wine",
    "comedonicus", "connective tissue nevus", "giant congenital",
)
TERMS = (
    ("BCC", {
        "names": (
            "basal cell cancer", "basal cell skin cancer", "nonmelanoma skin cancer", "Carcinoma, Basal Cell[mh]",
        ),
        "context": (*_SKIN, "Mohs", "hedgehog", "vismodegib", "eyelid", "face", "head and neck"),
        "excluded": (
            "nevoid basal cell", "basal cell nevus", "basal cell naevus", "Gorlin*", "basal-like", "salivary", "prostate",
            "ameloblastoma*",
        ),
    }),
    ("SCC", {
        "names": ("squamous cell skin cancer", "cutaneous squamous cell", "nonmelanoma skin cancer"),
        "context": (*_SKIN, "actinic", "lip", "Lip Neoplasms[mh]"),
        "excluded": (*_OTHER_SQUAMOUS, *_EYE, "porokeratosis", "epidermal nevus"),
    }),
    ("ACK", {
        "names": ("solar keratosis", "Keratosis, Actinic[mh]"),
        "context": (*_SKIN, "actinic", "field cancerization", "lip"),
        "excluded": ("porokeratosis", "pterygium", *_EYE),
    }),
    ("SEK", {
        "names": ("seborrhoeic keratosis", "keratosis, seborrheic", "Keratosis, Seborrheic[mh]"),
        "context": (*_SKIN, "seborrheic", "seborrhoeic", "warty"),
        "excluded": _EYE,
    }),
    ("MEL", {
        "names": ("malignant melanoma", "cutaneous melanoma", "Melanoma, Cutaneous Malignant[mh]"),
        "context": (*_SKIN, "nevus", "naevus", "mole", "Breslow", "sentinel", "acral", "lentigo"),
        "excluded": (
            *_EYE, "mucosal", "mucous membrane", "oral melanoma", "sinonasal", "anorectal", "vulv*", "vagin*",
            "leptomening*",
        ),
    }),
    ("NEV", {
        "names": (
            "naevus", "naevi", "mole", "melanocytic nevus", "Nevus, Pigmented[mh]", "Dysplastic Nevus Syndrome[mh]",
        ),
        "context": (*_SKIN, "pigment*", "melanocyt*", "birthmark"),
        "excluded": ("melanoma", *_EYE, *_OTHER_NEVI),
    }),
)
# fmt: on
