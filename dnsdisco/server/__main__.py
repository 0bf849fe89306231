"""`python -m dnsdisco.server FD`: a worker, started by the supervisor and by nobody else."""

import sys

from dnsdisco.server.run import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))
