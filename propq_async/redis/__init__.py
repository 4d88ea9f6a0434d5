"""What the processes of a fleet share in Redis. Needs the extra `redis`.

Nothing else of the package imports redis-py, and this only when it is used.
"""

try:
    import redis.asyncio  # noqa: F401 - to see whether it is there
except ImportError:
    raise ImportError(
        "propq_async.redis needs redis-py: pip install 'propq-async[redis]'"
    ) from None

from ._connection import RedisUnavailableError
from ._limiter import RedisLimiter
from ._token_store import RedisTokenStore

__all__ = ["RedisLimiter", "RedisTokenStore", "RedisUnavailableError"]
