"""It never finishes loading."""

EXPECTED = ("TIMEOUT",)
AT_IMPORT = True


while True:
    pass
