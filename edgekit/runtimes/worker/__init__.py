"""What runs on the target: one fresh process opens one model in one runtime and reports what that costs.

One JSON request goes in on stdin, JSON lines come out on stdout:

    {"task": "measure", "model": PATH, "runtime": "ort", "threads": 1, "runs": 50, "seconds": 1.0, "limit_s": 600,
     "pin": "auto", "shapes": {"image": [1, 3, 224, 224]}, "others": [["litert", PATH]]}
    {"phase": "importing the runtime"}      what it is about to do, so that a crash can be placed
    {"progress": 0.4}                       the share of the measuring that is done
    {"result": {...}}                       or {"error": {"kind": ..., "text": ...}}, of kind
                                            model, runtime, option or memory

Times are integers in nanoseconds or floats named ``..._ns``; memory is in bytes.
"""
