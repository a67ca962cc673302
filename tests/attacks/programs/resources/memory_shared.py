"""It takes shared memory, which is charged differently."""

EXPECTED = ("GRADER_ERROR", "OUT_OF_MEMORY")
LIMIT_S = 10


def attack():
    import mmap

    kept = []
    while True:
        kept.append(mmap.mmap(-1, 50_000_000))
        kept[-1].write(b"x" * 50_000_000)
