"""Feature spaces side by side: what they predict, and the images they find."""
