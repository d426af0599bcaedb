"""Why two things that should say the same do not: each side is an account, causes are switched one at a time."""
