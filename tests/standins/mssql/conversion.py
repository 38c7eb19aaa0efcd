"""Values into columns, as an INSERT converts them, with SQL Server's errors."""

import uuid
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation

from .script import SQLError

_EXACT = Context(prec=60)
_RANGES = {"tinyint": (0, 255)} | {
    name: (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for name, bits in (("smallint", 16), ("int", 32), ("bigint", 64))
}


def convert(value, column, table):
    """
    Give *value* as *column* of *table* holds it.

    Raises:
        SQLError: 515 NULL where there may be none, 245 and 8114 no such value, 8115 too large,
            2628 too long, 241 no date, 206 a type that is not converted into the column's.
    """
    if value is None:
        if not column.nullable:
            raise _null(column, table)
        return None
    base = column.type.base
    try:
        made = _CONVERSIONS.get(base, _as_it_is)(value, column.type)
    except (ValueError, InvalidOperation) as problem:
        raise _not_converted(value, column) from problem
    except (TypeError, AttributeError) as problem:
        raise _of_another_kind(value, column) from problem
    if column.type.max_length != -1 and base in _WITH_LENGTH:
        _check_length(made, column, table)
    return made


def _as_it_is(value, _type):
    return value


def _integer(value, of):
    low, high = _RANGES[of.base]
    number = int(value)
    if not low <= number <= high:
        raise _overflow(of)
    return number


def _decimal(value, of):
    number = Decimal(value).quantize(Decimal(1).scaleb(-of.scale), ROUND_HALF_UP, _EXACT)
    if number.adjusted() >= of.precision - of.scale and number:
        raise _overflow(of)
    return number


def _money(value, of):
    number = Decimal(value).quantize(Decimal("0.0001"), ROUND_HALF_UP, _EXACT)
    bound = 2 ** (8 * of.max_length - 1)
    if not -bound <= number.scaleb(4, _EXACT) < bound:
        raise _overflow(of)
    return number


def _text(value, _type):
    if isinstance(value, bytes):
        return value.decode("cp1252")
    return str(value)


def _bytes(value, _type):
    return value if isinstance(value, bytes) else value.encode("utf-16-le")


def _guid(value, _type):
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)


def _date(value, _type):
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else date.fromisoformat(value)


def _time(value, _type):
    if isinstance(value, datetime):
        return value.time()
    return value if isinstance(value, time) else time.fromisoformat(value)


def _datetime(value, of):
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return of.unpack(of.pack(value.replace(tzinfo=None)))


def _datetimeoffset(value, _type):
    value = datetime.fromisoformat(value) if isinstance(value, str) else value
    return value if value.tzinfo else value.replace(tzinfo=UTC)


_CONVERSIONS = {
    **dict.fromkeys(_RANGES, _integer),
    **dict.fromkeys(("decimal", "numeric"), _decimal),
    **dict.fromkeys(("money", "smallmoney"), _money),
    **dict.fromkeys(("float", "real"), lambda value, _: float(value)),
    **dict.fromkeys(("char", "varchar", "nchar", "nvarchar", "text", "ntext", "xml"), _text),
    **dict.fromkeys(("binary", "varbinary", "image"), _bytes),
    **dict.fromkeys(("datetime", "smalldatetime", "datetime2"), _datetime),
    "bit": lambda value, _: bool(int(value)),
    "uniqueidentifier": _guid,
    "date": _date,
    "time": _time,
    "datetimeoffset": _datetimeoffset,
}
_WITH_LENGTH = {"char", "varchar", "nchar", "nvarchar", "binary", "varbinary"}


def _check_length(value, column, table):
    unit = 2 if column.type.base[0] == "n" else 1
    size = len(value.encode("utf-16-le")) if unit == 2 else len(value)
    if size > column.type.max_length:
        shown = value[: column.type.max_length // unit]
        raise SQLError(
            2628,
            f"String or binary data would be truncated in table 'master.dbo.{table}', column "
            f"'{column.name}'. Truncated value: '{shown if isinstance(shown, str) else ''}'.",
        )


def _null(column, table):
    return SQLError(
        515,
        f"Cannot insert the value NULL into column '{column.name}', table 'master.dbo.{table}'; "
        "column does not allow nulls. INSERT fails.",
        state=2,
    )


def _overflow(of):
    return SQLError(
        8115, f"Arithmetic overflow error converting expression to data type {of.base}.", state=2
    )


def _of_another_kind(value, column):
    kind = type(value).__name__
    return SQLError(206, f"Operand type clash: {kind} is incompatible with {column.type.base}", 2)


def _not_converted(value, column):
    base = column.type.base
    if base in ("date", "time", "datetime", "datetime2", "datetimeoffset", "smalldatetime"):
        return SQLError(241, "Conversion failed when converting date from character string.")
    if base in ("decimal", "numeric", "float", "real", "money"):
        return SQLError(8114, f"Error converting data type nvarchar to {base}.", state=5)
    return SQLError(
        245, f"Conversion failed when converting the nvarchar value '{value}' to data type {base}."
    )
