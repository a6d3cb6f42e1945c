"""The five stores of a workspace, by the names that its settings give them."""

__all__ = ["HOOKS"]

#: The hook behind each setting of a store, and what it offers.
HOOKS = {
    "blobs": ("blob_stores", "blob store"),
    "tables": ("table_stores", "table store"),
    "keyvalue": ("key_value_stores", "key-value store"),
    "stream": ("streams", "stream"),
    "catalog": ("catalog_databases", "database for a catalog"),
}
