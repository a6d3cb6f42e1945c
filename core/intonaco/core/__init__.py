"""What every layer shares: plugins, settings, schemas, columns, references, errors, telemetry.

Names are loaded when first used, so that importing this package costs little more than attrs and pluggy.
"""

from typing import TYPE_CHECKING

import attrs as _attrs  # noqa: F401  every module below stands on these two
import pluggy as _pluggy  # noqa: F401

from intonaco.core.exports import exporting

if TYPE_CHECKING:
    from intonaco.core.columns import Column as Column
    from intonaco.core.columns import Columns as Columns
    from intonaco.core.columns import Masked as Masked
    from intonaco.core.columns import Ragged as Ragged
    from intonaco.core.errors import IntonacoError as IntonacoError
    from intonaco.core.plugins import Plugins as Plugins
    from intonaco.core.plugins import hookimpl as hookimpl
    from intonaco.core.plugins import hookspec as hookspec
    from intonaco.core.references import Reference as Reference
    from intonaco.core.schema import Field as Field
    from intonaco.core.schema import Schema as Schema
    from intonaco.core.settings import read_settings as read_settings
    from intonaco.core.urls import StoreUrl as StoreUrl

_HOMES = {
    "Column": "columns",
    "Columns": "columns",
    "Field": "schema",
    "IntonacoError": "errors",
    "Masked": "columns",
    "Plugins": "plugins",
    "Ragged": "columns",
    "Reference": "references",
    "Schema": "schema",
    "StoreUrl": "urls",
    "hookimpl": "plugins",
    "hookspec": "plugins",
    "read_settings": "settings",
}

__all__ = [*_HOMES]

__getattr__ = exporting(__name__, _HOMES)
