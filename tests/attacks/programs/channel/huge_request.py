"""It asks a model about twenty megabytes."""

EXPECTED = ("INVALID_RESULT",)
TAKES_CTX = True


def attack(ctx):
    ctx._has_access = True
    ctx.responses_create(model="x", input="x" * 20_000_000)
