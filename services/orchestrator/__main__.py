"""Start the orchestrator: `python -m orchestrator`."""

from orchestrator.app import build
from orchestrator.settings import Settings
from servicekit.lifecycle import run_service
from servicekit.logs import configure_logs


def main() -> None:
    """Run until SIGTERM."""
    settings = Settings.model_validate({})  # everything comes from the environment
    configure_logs("orchestrator", settings.log_level, json=settings.log_json)
    run_service(lambda: build(settings), "orchestrator")


if __name__ == "__main__":
    main()
