"""The chapter on how often the erosion tests are right."""
