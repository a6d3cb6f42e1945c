"""What the sklearn extension offers; light to import."""

from intonaco.core.plugins import hookimpl


@hookimpl
def flavors() -> dict[str, str]:
    return {"sklearn": "intonaco.ext.sklearn.flavor:SklearnFlavor"}


@hookimpl
def model_types() -> dict[str, str]:
    return {"sklearn.base.BaseEstimator": "sklearn"}
