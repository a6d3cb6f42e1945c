"""The CRC-32 of zlib, by the quickest function that there is for it."""

try:
    from isal.isal_zlib import crc32
except ImportError:  # this machine is none of those that the library is made for
    from zlib import crc32

__all__ = ["crc32"]
