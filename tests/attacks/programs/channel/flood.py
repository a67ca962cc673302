"""It asks for models that it may not have, for ever."""

EXPECTED = ("INVALID_RESULT",)
TAKES_CTX = True


def attack(ctx):
    while True:
        try:
            ctx._has_access = True
            ctx._calls_used = 0
            ctx.responses_create(model="x", input="x")
        except PermissionError:
            pass
