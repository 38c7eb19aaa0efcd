"""decimal, numeric and money as bytes (MS-TDS 2.2.5.5.1.2 and .6)."""

from decimal import Context, Decimal

_EXACT = Context(prec=60)
_MONEY = 4  # digits after the point


def decimal_size(precision):
    """Give the bytes of a decimal, its sign's included."""
    return 5 if precision <= 9 else 9 if precision <= 19 else 13 if precision <= 28 else 17


def pack_decimal(value, size, scale):
    """Write the sign, and the digits as one number. Digits past *scale* are rounded."""
    digits = _digits(value, scale)
    return bytes([digits >= 0]) + abs(digits).to_bytes(size - 1, "little")


def decimal_from(data, scale):
    digits = int.from_bytes(data[1:], "little")
    return Decimal(digits if data[0] else -digits).scaleb(-scale, _EXACT)


def pack_money(value):
    """Write ten-thousandths: the upper four bytes, then the lower ones."""
    data = _digits(value, _MONEY).to_bytes(8, "little", signed=True)
    return data[4:] + data[:4]


def unpack_money(data):
    data = data[4:] + data[:4] if len(data) == 8 else data
    return Decimal(int.from_bytes(data, "little", signed=True)).scaleb(-_MONEY, _EXACT)


def _digits(value, scale):
    return int(Decimal(value).scaleb(scale, _EXACT).to_integral_value())
