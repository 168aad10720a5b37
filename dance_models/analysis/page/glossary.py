"""The words of the page."""

from typing import Final

TERMS: Final = {
    "Angle": "The angle between two limbs at a joint, as seen by the camera, 0 to 180 degrees: "
    "180 is a straight knee or elbow. A limb that points towards the camera looks shorter, and "
    "its angles are less certain.",
    "Band": "The shaded strip around a curve: how far the estimator is usually off. The true value "
    "may be anywhere in it, so a difference smaller than the band says nothing.",
    "Estimate": "What the pose estimator sees in each frame by itself, without the frames around "
    "it.",
    "Refined": "The estimate after a network that looks at neighbouring frames has taken out "
    "errors and jitter.",
    "Forecast": "Where the dancer will be a fraction of a second later, computed from the last "
    "second alone. It is drawn only where it is better than simple rules.",
    "Jitter": "Trembling of the measured joints that is not in the dance: the change of "
    "speed from frame to frame, in percent of the torso.",
    "Torso": "The distance from the neck to the middle of the hips, the unit of lengths on this "
    "page, so that near and far dancers can be compared: 10 % of it is about 5 cm on a grown-up.",
    "5 % and 95 %": "One frame in twenty is below the first value, one in twenty above the second. "
    "Single wrong frames do not change them much, unlike the lowest and the highest value.",
    "Gap": "A piece of a curve that is missing: the joint was not seen there.",
}
