"""Which server a command asks, and with which key."""

from cli.errors import CliError
from cli.server.api import Api
from cli.session import Session
from localstack.stack.description import read_description


def api_of(session: Session, *, patience_s: float = 0) -> Api:
    """Return the client of the server that was chosen; see `Api` for the patience.

    Raises:
        CliError: no server or no key is known.
    """
    base_url, api_key = _address(session)
    return Api(
        base_url,
        api_key,
        transport=session.transport,
        patience_s=patience_s,
        pause_s=session.poll_s,
    )


def _address(session: Session) -> tuple[str, str]:
    if session.base_url and session.api_key:
        return session.base_url, session.api_key
    local = read_description(session.state_dir)
    if local is None and session.base_url is None:
        raise CliError(
            f"No stack runs in {session.state_dir}: start one with `proctor up`, or name a server "
            "with --base-url and --api-key."
        )
    if local is None or session.base_url not in (None, local.base_url):
        # The local key is for the local stack; it is never sent to another server.
        raise CliError("No API key: give one with --api-key or in PROCTOR_API_KEY.")
    return local.base_url, session.api_key or local.api_key
