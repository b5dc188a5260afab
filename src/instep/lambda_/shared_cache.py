"""The cache of packs that the storage mode asks for: loaded by the functions that need it only."""

from instep.errors import ConfigurationMissing
from instep.lambda_ import settings
from instep.lambda_.telemetry import logger, metrics
from instep.snapshot.copy.cache import PackCache
from instep.snapshot.copy.storage_mode import StorageMode, choose_cache


def shared_cache() -> PackCache | None:
    """Return the cache, or None: S3 alone, by choice or for want of a mount (counted, logged)."""
    mode = _mode()
    chosen = choose_cache(mode, settings.cache_root(), metrics)
    if chosen.fallback:
        logger.warning(
            "Shared cache unusable, packs come from S3",
            extra={"storage_mode": mode.value, "reason": chosen.fallback},
        )
    return chosen.cache


def _mode() -> StorageMode:
    value = settings.storage_mode()
    try:
        return StorageMode(value)
    except ValueError:
        choices = ", ".join(mode.value for mode in StorageMode)
        raise ConfigurationMissing(
            f"CHROMADB_STORAGE_MODE is {value!r}: deploy with storageMode one of {choices}"
        ) from None
