"""Start the importer: `python -m importer`."""

from importer.app import build
from importer.settings import Settings
from servicekit.lifecycle import run_service
from servicekit.logs import configure_logs


def main() -> None:
    """Run until SIGTERM."""
    settings = Settings.model_validate({})  # everything comes from the environment
    configure_logs("importer", settings.log_level, json=settings.log_json)
    run_service(lambda: build(settings), "importer")


if __name__ == "__main__":
    main()
