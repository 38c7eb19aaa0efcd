"""Dates and times as bytes (MS-TDS 2.2.5.5.1.3 to .8)."""

import struct
from datetime import UTC, date, datetime, time, timedelta, timezone

_EPOCH = date(1, 1, 1).toordinal()
_OLD_EPOCH = datetime(1900, 1, 1)  # of the types without a zone
_DAY = 86_400_000_000  # microseconds


def time_size(scale):
    """Give the bytes of a time with *scale* digits after the second."""
    return 3 if scale <= 2 else 4 if scale <= 4 else 5


def pack_date(value):
    return (value.toordinal() - _EPOCH).to_bytes(3, "little")


def unpack_date(data):
    return date.fromordinal(int.from_bytes(data, "little") + _EPOCH)


def pack_time(value, scale):
    """Write units of 10 ** -scale seconds since midnight; finer digits are cut off."""
    return _pack_units(_microseconds(value), scale)


def unpack_time(data, scale):
    return (_OLD_EPOCH + _since_midnight(data, scale)).time()


def pack_datetime2(value, scale):
    return pack_time(value, scale) + pack_date(value)


def unpack_datetime2(data, scale):
    day = datetime.combine(unpack_date(data[-3:]), time())
    return day + _since_midnight(data[:-3], scale)


def pack_datetimeoffset(value, scale):
    """Write the time and the day in UTC, then the offset in minutes."""
    minutes = value.utcoffset() // timedelta(minutes=1)
    return pack_datetime2(value.astimezone(UTC), scale) + struct.pack("<h", minutes)


def unpack_datetimeoffset(data, scale):
    zone = timezone(timedelta(minutes=struct.unpack("<h", data[-2:])[0]))
    return unpack_datetime2(data[:-2], scale).replace(tzinfo=UTC).astimezone(zone)


def _pack_datetime(value):
    """Write days since 1900, and three hundredths of a second since midnight."""
    days, ticks = divmod(
        round((value - _OLD_EPOCH) / timedelta(microseconds=1) * 3 / 10_000), _DAY * 3 // 10_000
    )
    return struct.pack("<iI", days, ticks)


def _unpack_datetime(data):
    days, ticks = struct.unpack("<iI", data)
    return _OLD_EPOCH + timedelta(days=days, milliseconds=round(ticks * 10 / 3))


def _pack_smalldatetime(value):
    """Write days since 1900, and minutes since midnight."""
    return struct.pack("<HH", *divmod(round((value - _OLD_EPOCH) / timedelta(minutes=1)), 1440))


def _unpack_smalldatetime(data):
    days, minutes = struct.unpack("<HH", data)
    return _OLD_EPOCH + timedelta(days=days, minutes=minutes)


def _microseconds(value):
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return seconds * 1_000_000 + value.microsecond


def _pack_units(microseconds, scale):
    units = microseconds * 10**scale // 1_000_000
    return units.to_bytes(time_size(scale), "little")


def _since_midnight(data, scale):
    return timedelta(microseconds=int.from_bytes(data, "little") * 1_000_000 // 10**scale)


DATETIME = (_pack_datetime, _unpack_datetime)
SMALLDATETIME = (_pack_smalldatetime, _unpack_smalldatetime)
WITH_TIME = {
    "time": (pack_time, unpack_time),
    "datetime2": (pack_datetime2, unpack_datetime2),
    "datetimeoffset": (pack_datetimeoffset, unpack_datetimeoffset),
}
