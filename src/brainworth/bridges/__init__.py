"""What none of the three stages can answer alone: each module joins some of them."""
