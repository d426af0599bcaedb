"""The page at /: drop a picture, see what the models say of it and where they look; one file, nothing from outside."""
