"""What the redis extension offers; light to import."""

from intonaco.core.plugins import hookimpl


@hookimpl
def key_value_stores() -> dict[str, str]:
    return dict.fromkeys(("redis", "rediss"), "intonaco.ext.redis.store:RedisStore")


@hookimpl
def streams() -> dict[str, str]:
    return dict.fromkeys(("redis", "rediss"), "intonaco.ext.redis.stream:RedisStream")
