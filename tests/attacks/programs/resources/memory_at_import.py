"""It takes all memory while it is loaded."""

EXPECTED = ("OUT_OF_MEMORY",)
AT_IMPORT = True
LIMIT_S = 10


kept = []
while True:
    kept.append(bytearray(50_000_000))
