"""Orchestration: the Dagster graph, MLflow tracking and the ``dance`` command line.

Holds no tensor code; that is ``dance_models``.
"""

import warnings

from dagster import BetaWarning, PreviewWarning

# Observable source assets are beta and a part of Pipes is a preview; we know, and a warning a
# process buries what matters.
warnings.filterwarnings("ignore", category=BetaWarning)
warnings.filterwarnings("ignore", category=PreviewWarning)
