"""Run the command line as ``python -m sk_digits``."""

from sk_digits._cli import main

if __name__ == "__main__":
    main()
