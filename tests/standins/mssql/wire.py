"""Numbers and texts as MS-TDS writes them: little-endian, UTF-16 (MS-TDS 2.2.5.1)."""

import struct

_NUMBERS = {code: struct.Struct("<" + code) for code in "BHIQ"}


class Reader:
    """The bytes of a message, read from left to right."""

    def __init__(self, data):
        self._data = data
        self._at = 0

    @property
    def left(self):
        """Bytes that were not read yet."""
        return len(self._data) - self._at

    def take(self, count):
        """Read *count* bytes. Raises ValueError when there are fewer."""
        if count > self.left:
            raise ValueError(f"a message ends {count - self.left} bytes too early")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, code):
        """Read one number; *code* is struct's: B, H, I, Q."""
        layout = _NUMBERS[code]
        self._at += layout.size
        return layout.unpack_from(self._data, self._at - layout.size)[0]

    def peek(self):
        """Give the next byte without reading it."""
        return self._data[self._at]

    def text(self, length):
        """Read *length* UTF-16 units."""
        return self.take(2 * length).decode("utf-16-le")

    def b_varchar(self):
        return self.text(self.number("B"))

    def b_varbyte(self):
        return self.take(self.number("B"))


def b_varchar(text):
    """At most 255 UTF-16 units with their count in one byte."""
    data = text.encode("utf-16-le")
    return bytes([len(data) // 2]) + data


def us_varchar(text):
    """At most 65,535 UTF-16 units with their count in two bytes."""
    data = text.encode("utf-16-le")
    return struct.pack("<H", len(data) // 2) + data


def b_varbyte(data):
    return bytes([len(data)]) + data


def sized(token, body):
    """A token whose body's length in bytes stands before it in two bytes."""
    return bytes([token]) + struct.pack("<H", len(body)) + body
