"""What a read is asked with: keys and request columns, held to a plan alike offline and online."""

from collections.abc import Iterable

import pyarrow as pa

from intonaco.core.columns import Column
from intonaco.core.errors import SchemaError
from intonaco.core.schema import suggestion
from intonaco.infra.features.defined.given import family
from intonaco.infra.features.defined.sources import widened
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.storage.arrow import from_arrow, schema_of
from intonaco.infra.storage.arrowtypes import arrow_type

__all__ = ["check_asked", "check_columns", "request_columns"]


def check_columns(rows: pa.Table, names: Iterable[str]) -> None:
    """Raise SchemaError for the first of these columns that the rows lack."""
    for name in names:
        if name not in rows.column_names:
            raise SchemaError(f"the rows lack the column {name!r}", hint=suggestion(name, rows.column_names), field=name)


def check_asked(plan: ReadPlan, rows: pa.Table) -> None:
    """Raise SchemaError for an input of the plan that the rows lack, and for a key of another type than its entity's."""
    check_columns(rows, plan.inputs.names)
    keys = [(name, dtype, view.view) for view in plan.views for name, dtype in view.keys]
    given = schema_of(rows.select(list(dict.fromkeys(name for name, _, _ in keys))))
    for name, dtype, view in keys:
        if family(given[name].dtype) != family(dtype):
            hint = f"view {view!r} knows it as {dtype}; 1 and '1' are different keys"
            raise SchemaError(f"the rows: key {name!r} is {given[name].dtype}, expected {dtype}", hint=hint, field=name)


def request_columns(plan: ReadPlan, rows: pa.Table) -> dict[str, Column]:
    """The request columns that a model sees or functions take, in their declared types.

    Raises
    ------
    SchemaError
        A value does not fit its type.
    """
    taken = {name for function in plan.functions for name in function.arguments}
    names = [name for name in plan.inputs.names if name in plan.features or name in taken]
    wanted, table = plan.inputs.select(names), rows.select(names)
    for place, field in enumerate(wanted):
        given = table.schema.field(place).type
        if family(str(given)) == family(field.dtype) != field.dtype or widened(str(given), field.dtype):
            table = table.set_column(place, field.name, _fitted(table.column(place), arrow_type(field), field.name))
    return from_arrow(table, wanted)


def _fitted(column: pa.ChunkedArray, wanted: pa.DataType, name: str) -> pa.ChunkedArray:
    try:
        return column.cast(wanted)
    except pa.ArrowInvalid as error:
        fault = f"the rows: column {name!r} is {column.type} and holds values that {wanted} cannot hold exactly"
        raise SchemaError(fault, hint="give it as it is declared", field=name) from error
