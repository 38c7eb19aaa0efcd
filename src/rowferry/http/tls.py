"""What verifies an API's certificate, and shows this client's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rowferry.exceptions import ConfigError

if TYPE_CHECKING:
    import ssl

_FILES = ("ca", "cert", "key")
_OWN = "it may want to see this client's certificate: tls={'cert': …, 'key': …}"
_REMEDIES = {
    "CERTIFICATE_VERIFY_FAILED": "name its authority in tls={'ca': …}",
    "WRONG_VERSION_NUMBER": "it does not speak TLS: is the url http://?",
    "UNSUPPORTED_PROTOCOL": "it speaks no TLS 1.2 or later",
    "ALERT_PROTOCOL_VERSION": "it speaks no TLS 1.2 or later",
    "ALERT_HANDSHAKE_FAILURE": _OWN,
    "ALERT_CERTIFICATE_REQUIRED": _OWN,
    "ALERT_BAD_CERTIFICATE": _OWN,
    "ALERT_CERTIFICATE_UNKNOWN": _OWN,
    "ALERT_CERTIFICATE_EXPIRED": _OWN,
    "ALERT_UNKNOWN_CA": _OWN,
}
"""What OpenSSL says of a server with which there will be no TLS, and what helps."""


def tls_context(tls: Any) -> ssl.SSLContext:
    """
    Make what verifies the API's certificate.

    Args:
        tls: True for the system's authorities, an `ssl.SSLContext`, or a mapping of file names:
            `ca` (authorities, PEM; they replace the system's), `cert` and `key` (this client's own;
            the key may stand in the file of the certificate).

    Raises:
        ConfigError: it is none of these (False among them), or a file cannot be used; named.
    """
    import ssl  # noqa: PLC0415 (20 ms, for https only)

    if isinstance(tls, ssl.SSLContext):
        return tls
    if tls is True:
        return ssl.create_default_context()
    if not isinstance(tls, Mapping) or not tls or set(tls) - set(_FILES):
        raise ConfigError(
            "tls must be True, an ssl.SSLContext or file names {'ca': …, 'cert': …, 'key': …}; "
            "certificates are always verified: for a private one, name its authority as 'ca'"
        )
    return _context_of_files({name: _text_of(file) for name, file in tls.items()}, tls)


def remedy_for(error: BaseException | None) -> str:
    """Say what helps where TLS fails as it would each time; "" where it may be a matter of luck."""
    said = str(error)
    return next((remedy for word, remedy in _REMEDIES.items() if word in said), "")


def _text_of(file: Any) -> bytes:
    if not isinstance(file, str | os.PathLike) or not str(file):
        raise ConfigError(f"tls: cannot use {file!r}: it is no file name")
    try:
        return Path(file).read_bytes()
    except (OSError, ValueError) as error:
        raise ConfigError(f"tls: cannot use {file}: {error}") from error


def _context_of_files(texts: Mapping[str, bytes], files: Mapping[str, Any]) -> ssl.SSLContext:
    import ssl  # noqa: PLC0415 (the same)

    if "key" in files and "cert" not in files:
        raise ConfigError("tls: 'key' needs 'cert', the certificate that it belongs to")
    try:
        context = ssl.create_default_context(cafile=files.get("ca"))
    except ssl.SSLError as error:
        raise ConfigError(
            f"tls: cannot use {files['ca']}: it holds no certificates in PEM"
        ) from error
    if "cert" in files:
        _show(context, texts, files)
    return context


def _show(context: ssl.SSLContext, texts: Mapping[str, bytes], files: Mapping[str, Any]) -> None:
    """Let *context* show this client's certificate where it is asked for."""
    cert, key = files["cert"], files.get("key", files["cert"])
    if b"-----BEGIN CERTIFICATE-----" not in texts["cert"]:
        raise ConfigError(f"tls: cannot use {cert}: it holds no certificate in PEM")
    if b"PRIVATE KEY-----" not in texts.get("key", texts["cert"]):
        raise ConfigError(f"tls: cannot use {key}: it holds no private key in PEM; 'key' names one")

    def password() -> NoReturn:  # else OpenSSL would ask the terminal
        raise ConfigError(
            f"tls: cannot use {key}: its key is encrypted; load it into an ssl.SSLContext with "
            "load_cert_chain(cert, key, password) and give that as tls="
        )

    try:
        context.load_cert_chain(cert, key, password)
    except OSError as error:  # ssl.SSLError among them
        fits = "KEY_VALUES_MISMATCH" not in str(error)
        why = str(error) if fits else "the key does not belong to the certificate"
        raise ConfigError(f"tls: cannot use {cert} with {key}: {why}") from error
