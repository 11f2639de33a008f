"""How often each erosion test is right, on data whose truth is planted."""
