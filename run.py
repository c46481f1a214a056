"""The command line from a checkout: `python run.py COMMAND …`."""

from app.cli import main

if __name__ == "__main__":
    main()
