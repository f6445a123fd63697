"""One door for several stored models: a gate, itself a small model, that says which of them a picture is for."""
