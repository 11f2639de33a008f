"""The chapter on what brain samples are worth."""
