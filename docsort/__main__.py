"""``python -m docsort`` is the same as ``docsort``."""

import sys

from docsort.commands import main

sys.exit(main())
