"""The worker, wherever this folder was copied: one process that opens one model and reports what that costs."""

from .worker.main import main

main()
