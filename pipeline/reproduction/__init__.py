"""Past runs done again, from what they tell of themselves."""
