"""Entry point of `python -m mcukd`."""

from mcukd.cli import main

if __name__ == "__main__":
    main()
