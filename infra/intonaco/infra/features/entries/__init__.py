"""The online entry of an entity: its layout, and events folded into it."""
