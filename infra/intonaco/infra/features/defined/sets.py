"""Feature sets: the named list that a model version reads."""

from collections.abc import Iterable

from attrs import field, frozen

from intonaco.core.errors import DefinitionError
from intonaco.core.references import check_name
from intonaco.core.schema import Field, Schema, suggestion
from intonaco.infra.features.defined.functions import AT, RequestFunction
from intonaco.infra.features.defined.given import words
from intonaco.infra.features.defined.views import FeatureView, Use

__all__ = ["FeatureSet", "RequestColumn"]


@frozen
class RequestColumn:
    """A column that comes with the request.

    Parameters
    ----------
    is_feature
        Whether the model sees it, or only keys and functions use it.
    """

    name: str
    dtype: str = "float64"
    nullable: bool = field(default=True, kw_only=True)
    is_feature: bool = field(default=True, kw_only=True)
    categories: tuple[str, ...] = field(default=(), kw_only=True)
    unit: str = field(default="", kw_only=True)
    description: str = field(default="", kw_only=True)
    tags: tuple[str, ...] = field(default=(), kw_only=True, converter=words)

    def as_field(self) -> Field:
        """The field of a schema that it is."""
        shared = ("nullable", "categories", "unit", "description", "tags")
        return Field(self.name, self.dtype, **{name: getattr(self, name) for name in shared})


def _uses(given: Iterable[FeatureView | Use]) -> tuple[Use, ...]:
    return tuple(each.using() if isinstance(each, FeatureView) else each for each in given)


def _request(given: Iterable[RequestColumn]) -> tuple[RequestColumn, ...]:
    return tuple(given)


def _functions(given: Iterable[RequestFunction]) -> tuple[RequestFunction, ...]:
    return tuple(given)


@frozen(kw_only=True)
class FeatureSet:
    """Features of several views, request columns and request-time functions, in the order in which a model sees them.

    Parameters
    ----------
    features
        Views, or parts of them (`view["temp"]`, `view.using(...)`).
    request
        Columns that come with the request. A key column that is not among them is asked for as well, but no feature.
    functions
        Computed from request columns, features and the moment.
    """

    name: str = field(validator=lambda _, __, value: check_name(value, "feature set") and None)
    features: tuple[Use, ...] = field(converter=_uses)
    request: tuple[RequestColumn, ...] = field(default=(), converter=_request)
    functions: tuple[RequestFunction, ...] = field(default=(), converter=_functions)
    owner: str = ""
    description: str = ""
    tags: tuple[str, ...] = field(default=(), converter=words)

    def __attrs_post_init__(self) -> None:
        names = list(self.names)
        for name in names:
            if names.count(name) > 1:
                hint = "give one use of a view a prefix: view.using(prefix='origin_')"
                raise DefinitionError(f"feature set {self.name!r} names the feature {name!r} twice", hint=hint, field=name)
        self._check_arguments()
        self.inputs()

    def _check_arguments(self) -> None:
        known = {AT, *(column.name for column in self.request), *self.view_names}
        for function in self.functions:
            for argument in function.arguments:
                if argument not in known:
                    fault = f"feature set {self.name!r}: {function.name!r} uses the unknown column {argument!r}"
                    raise DefinitionError(fault, hint=suggestion(argument, known), field=argument)

    @property
    def view_names(self) -> tuple[str, ...]:
        """Names of the features that come from views."""
        return tuple(use.name_of(name) for use in self.features for name in use.names)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all features, in order."""
        request = tuple(column.name for column in self.request if column.is_feature)
        return self.view_names + request + tuple(function.name for function in self.functions)

    @property
    def views(self) -> tuple[FeatureView, ...]:
        """The views that are used, each once."""
        found: dict[str, FeatureView] = {}
        for use in self.features:
            kept = found.setdefault(use.view.name, use.view)
            if kept != use.view:
                raise DefinitionError(
                    f"feature set {self.name!r} uses two different views named {kept.name!r}", hint="give one another name", field=kept.name
                )
        return tuple(found.values())

    def inputs(self) -> Schema:
        """What a request must bring: request columns, then the keys that are not among them."""
        fields = {column.name: column.as_field() for column in self.request}
        for use in self.features:
            for key in use.key_columns:
                kept = fields.setdefault(key.name, key)
                if kept.dtype != key.dtype:
                    fault = f"feature set {self.name!r}: the column {key.name!r} is both {kept.dtype} and {key.dtype}"
                    hint = f"declare it as the key is, or read the view by another column: using(keys={{{key.name!r}: ...}})"
                    raise DefinitionError(fault, hint=hint, field=key.name)
        return Schema(tuple(fields.values()))

    def outputs(self) -> Schema:
        """What a model sees."""
        fields = [each for use in self.features for each in use.fields]
        fields += [column.as_field() for column in self.request if column.is_feature]
        return Schema((*fields, *(self._computed(each, fields) for each in self.functions)))

    def _computed(self, function: RequestFunction, known: list[Field]) -> Field:
        """The field of a function, with the tags of what it is made of."""
        tags = {each.name: each.tags for each in [*known, *self.inputs()]}
        made_of = tuple(dict.fromkeys(tag for name in function.arguments for tag in tags.get(name, ())))
        return Field(function.name, "float64", nullable=True, description=function.description, tags=made_of)
