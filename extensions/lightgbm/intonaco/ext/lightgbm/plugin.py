"""What the lightgbm extension offers; light to import."""

from intonaco.core.plugins import hookimpl


@hookimpl
def flavors() -> dict[str, str]:
    return {"lightgbm": "intonaco.ext.lightgbm.flavor:LightGBMFlavor"}


@hookimpl
def model_types() -> dict[str, str]:
    return {"lightgbm.basic.Booster": "lightgbm", "lightgbm.sklearn.LGBMModel": "lightgbm"}
