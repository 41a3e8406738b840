"""Commands, one module a group. Heavy imports stand inside the functions that need them."""
