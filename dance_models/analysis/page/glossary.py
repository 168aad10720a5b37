"""The words of every page; what is on one page alone is explained with its content."""

from typing import Final

TERMS: Final = {
    "Angle": "The angle between two limbs at a joint, as seen by the camera, 0 to 180 degrees: "
    "180 is a straight knee or elbow. A limb that points towards the camera looks shorter, and "
    "its angles are less certain.",
    "Band": "The shaded strip around a curve: how far off such a curve was in a share of measured "
    "frames, which the line above the curves names. In the other frames it was further off. A "
    "difference smaller than the band says nothing.",
    "Estimate": "What the pose estimator sees in each frame by itself, without the frames around "
    "it.",
    "Refined": "The estimate after a network that looks at neighbouring frames has taken out "
    "errors and jitter.",
    "Gap": "A piece of a curve that is missing: the joint was not seen there.",
}

# What made the poses, in the words of the page.
MADE_BY: Final = {
    "estimator": "pose estimator",
    "recognition": "network that corrects",
    "prediction": "network that forecasts",
}
