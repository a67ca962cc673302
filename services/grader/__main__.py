"""Start the grader: `python -m grader`."""

from grader.app import build
from grader.settings import Settings
from servicekit.lifecycle import run_service
from servicekit.logs import configure_logs


def main() -> None:
    """Run until SIGTERM; without working jails, do not run at all."""
    settings = Settings.model_validate({})  # everything comes from the environment
    configure_logs("grader", settings.log_level, json=settings.log_json)
    run_service(lambda: build(settings), "grader")


if __name__ == "__main__":
    main()
