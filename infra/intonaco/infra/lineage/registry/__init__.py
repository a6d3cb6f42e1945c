"""The registry of models: lines of immutable versions and movable aliases."""
