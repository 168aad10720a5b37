"""Captured motion on rendered bodies, seen by the real estimator: pairs of estimate and truth.

A **piece** is one stretch of one take, moved by one body. Each of its **views** is a clip: a camera
of its own around the dancer, and its own costume, background, light, film and faults. All of it is
drawn from (seed, piece, view). :mod:`~dance_models.rendered.corpus` makes the pose runs of all
pieces, and :mod:`~dance_models.rendered.consensus` the truth in the estimator's own definition.
"""
