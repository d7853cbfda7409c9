import numpy as np

from prima_jax.report.confusion_picture import confusion_picture


def test_the_same_counts_give_the_same_picture_also_with_an_empty_class():
    counts = np.array([[2, 0], [0, 0]])
    pictures = [confusion_picture("PRIMA", counts, ("a", "b"), synthetic=False) for _ in range(2)]
    assert pictures[0] == pictures[1]
    assert pictures[0].startswith(b"\x89PNG")
    assert confusion_picture("PRIMA", counts, ("a", "b"), synthetic=True) != pictures[0]
