"""The self-contained HTML report: tables beside the paper's, figures, a summary in plain words."""
