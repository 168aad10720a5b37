"""The synthetic demo corpus: choreography on a skinned body, rendered with exact keypoints."""
