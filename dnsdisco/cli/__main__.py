"""`python -m dnsdisco.cli`, where the console script is not on the path."""

from __future__ import annotations

import sys

from dnsdisco.cli import main

sys.exit(main())
