"""A program for the tests of the nursery: it prints what it was given."""

import os

if __name__ == "__main__":
    print(dict(os.environ))  # noqa: T201
