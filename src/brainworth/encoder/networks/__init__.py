"""Networks in the place of stage 1 and of stage 2, and what is special about training them."""
