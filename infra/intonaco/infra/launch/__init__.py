"""Who may launch what: projects, their owners, and what must hold before a version is deployed."""
