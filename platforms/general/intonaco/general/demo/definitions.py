"""What the main job's features are: how flights lately made up or lost time, what the weather is, what the timetable promises."""

from intonaco.infra.features.definitions import (
    Entity,
    FeatureSet,
    FeatureView,
    Labels,
    RequestColumn,
    TableSource,
    columns,
    count,
    difference,
    mean,
    minute_of_day,
    weekday,
)

__all__ = ["ARRIVALS", "CARRIERS", "DEFINITIONS", "ETA", "KEYS", "ORIGINS"]

ORIGINS = ("EWR", "JFK", "LGA")
CARRIERS = ("9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV")
KEYS = ("carrier", "flight", "tailnum", "origin", "dest")

_TEXT = {"carrier": "str?", "flight": "str?", "tailnum": "str?", "origin": "str?", "dest": "str?"}
_MINUTES = dict.fromkeys(("gain", "air_excess", "headwind", "on_ground"), "float64?")

landed = TableSource("arrivals", {**_TEXT, **_MINUTES}, time="arrival")
left = TableSource("departures", {"origin": "str", "dep_delay": "float64"}, time="departure")
observed = TableSource(
    "weather", {"origin": "str", **dict.fromkeys(("temp", "humid", "wind_dir", "wind_speed", "visib"), "float64?")}, time="time_hour"
)
surveyed = TableSource("routes", {"origin": "str", "dest": "str", **dict.fromkeys(("still_air", "lat", "lon"), "float64?")}, time="since")

origin = Entity("origin", {"origin": "str"})
destination = Entity("destination", {"dest": "str"})
route = Entity("route", {"origin": "str", "dest": "str"})
carrier = Entity("carrier", {"carrier": "str"})
service = Entity("service", {"carrier": "str", "origin": "str", "dest": "str"}, description="A carrier's flights on a route")
flight = Entity("flight", {"carrier": "str", "flight": "str", "origin": "str", "dest": "str"}, description="A flight number on a route")
aircraft = Entity("aircraft", {"tailnum": "str"})

VIEWS = (
    FeatureView(
        name="flight_history",
        entity=flight,
        source=landed,
        features=[mean("gain", over="30d", hop="1d", name="flight_gain_30d")],
        description="How flights of this number made up or lost time",
    ),
    FeatureView(
        name="service_history",
        entity=service,
        source=landed,
        features=[mean("gain", over="1d", hop="1h", name="service_gain_1d"), mean("gain", over="30d", hop="1d", name="service_gain_30d")],
    ),
    FeatureView(
        name="route_history",
        entity=route,
        source=landed,
        features=[mean("air_excess", over="1d", hop="1h", name="route_air_excess_1d")],
    ),
    FeatureView(
        name="carrier_history",
        entity=carrier,
        source=landed,
        features=[mean("gain", over="6h", hop="30m", name="carrier_gain_6h")],
    ),
    FeatureView(
        name="aircraft_history",
        entity=aircraft,
        source=landed,
        features=[mean("gain", over="7d", hop="6h", name="aircraft_gain_7d")],
    ),
    FeatureView(
        name="destination_history",
        entity=destination,
        source=landed,
        features=[
            mean("gain", over="3h", hop="15m", name="dest_gain_3h"),
            mean("air_excess", over="6h", hop="30m", name="dest_air_excess_6h"),
            mean("headwind", over="6h", hop="30m", name="dest_headwind_6h"),
            mean("headwind", over="1d", hop="1h", name="dest_headwind_1d"),
        ],
    ),
    FeatureView(
        name="origin_history",
        entity=origin,
        source=landed,
        features=[
            mean("gain", over="2h", hop="10m", name="origin_gain_2h"),
            mean("on_ground", over="1h", hop="5m", name="origin_on_ground_1h"),
        ],
    ),
    FeatureView(
        name="origin_departures",
        entity=origin,
        source=left,
        features=[count(over="30m", hop="5m", name="departures_30m"), mean("dep_delay", over="1h", hop="5m", name="departure_delay_1h")],
    ),
    FeatureView(
        name="weather_now",
        entity=origin,
        source=observed,
        features=[columns("temp", "humid", "wind_dir", "wind_speed", "visib")],
        valid_for="3h",
        description="The last observation at the airport of departure",
    ),
    FeatureView(name="route_facts", entity=route, source=surveyed, features=[columns("still_air", "lat", "lon")]),
)

ETA = FeatureSet(
    name="eta",
    features=VIEWS,
    request=[
        RequestColumn("dep_delay", unit="min", description="How late it left the gate, the one thing known of its own day"),
        RequestColumn("scheduled_block", unit="min", description="From scheduled departure to scheduled arrival"),
        RequestColumn("carrier", "str", nullable=False, categories=CARRIERS),
        RequestColumn("origin", "str", nullable=False, categories=ORIGINS),
    ],
    functions=[difference("scheduled_block", "still_air", name="slack"), minute_of_day(), weekday()],
    owner="map-services",
    description="What is known of a flight at the moment it leaves the gate",
)

ARRIVALS = Labels(
    name="arrivals",
    table="outcomes",
    keys=KEYS,
    value="error_min",
    final="arrival",
    at="departure",
    description="How late flights arrived, in minutes; cancelled and diverted ones give no label",
)

DEFINITIONS = (*VIEWS, ETA, ARRIVALS)
