"""What runs on the target: one fresh process opens one model in one runtime and reports what that costs.

The floor of this package is Python 3.9, NumPy and one runtime, and its modules import each other relatively, so that
the folder can be copied to a board under any name and started there with ``python3 -m NAME``.

One JSON request goes in on stdin, JSON lines come out on stdout:

    {"task": "measure", "model": PATH, "runtime": "ort", "threads": 1, "runs": 50, "seconds": 1.0, "limit_s": 600,
     "pin": "auto", "others": []}
    {"phase": "importing the runtime"}      what it is about to do, so that a crash can be placed
    {"progress": 0.4}                       the share of the measuring that is done
    {"result": {...}}                       or {"error": {"kind": ..., "text": ...}}, of kind
                                            model, runtime, option or memory

Times are integers in nanoseconds or floats named ``..._ns``; memory is in bytes.
"""
