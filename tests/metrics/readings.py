"""A published example of areas under the ROC curve: 109 CT images rated 1 (surely normal) to 5 (surely abnormal).

Hanley & McNeil 1982, table I, doi 10.1148/radiology.143.1.7063747. They give the area as 0.893; Stata's manual works the
same table ([R] roctab, https://www.stata.com/manuals/rroctab.pdf): area 0.8932, DeLong's standard error 0.0307.
"""

import numpy as np

NORMAL, ABNORMAL = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
ABNORMALITY = np.repeat([False, True], [sum(NORMAL), sum(ABNORMAL)])
RATING = np.concatenate([np.repeat(range(1, 6), NORMAL), np.repeat(range(1, 6), ABNORMAL)]).astype(float)
AREA, DELONG_ERROR = 0.8932, 0.0307
