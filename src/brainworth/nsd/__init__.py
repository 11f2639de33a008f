"""What NSD is: its objects, design, regions of interest, betas, and a simulator of all of them."""
