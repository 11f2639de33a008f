"""The chapter on the bridges between the stages: one section and one figure a bridge."""
