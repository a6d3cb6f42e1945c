"""The Open Inference Protocol: bodies decoded and encoded strictly, whatever carries them."""
