"""The conformance kit: one class of tests for each primitive, to be subclassed by whoever implements it."""

from pkgutil import iter_modules

import pytest

# So that a failed assertion of a contract shows its values.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in iter_modules(__path__)))
