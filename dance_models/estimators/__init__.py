"""Off-the-shelf pose estimators behind one protocol, and the tracks they leave."""
