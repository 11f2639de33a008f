"""How decoding of image features grows with trials and with subjects."""
