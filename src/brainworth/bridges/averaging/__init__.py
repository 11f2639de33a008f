"""What averaging costs the encoder, and what a head for the variance recovers."""
