"""`python -m cli` is `proctor`."""

from cli.main import main

if __name__ == "__main__":
    main()
