"""``python -m docsort`` is the same as ``docsort``."""

import sys

from docsort.commands import main

if __name__ == "__main__":
    sys.exit(main())
