"""The settings of the emulator, each with the rule for its values."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any, Final, Literal

import attrs

from propq_async.credentials import Credentials

from ._framework import FrameworkVersion
from ._oauth import ErrorStyle, new_credentials
from ._validators import (
    check_callable,
    check_credentials,
    check_port,
    is_bool,
    known_directions,
    loopback,
    non_negative_seconds,
    one_of,
    positive_seconds,
)
from ._values import RecordedRequest

__all__ = ["Settings", "set_version"]

_NO_SWITCHES: Final = ("_host", "_port", "credentials", "_clock", "on_request", "validation_style")


def set_version(settings: Settings, _: object, style: str | None) -> str | None:
    """Set what `validation_style` stands for, which is the older name."""
    if style is not None:
        version: FrameworkVersion = "8" if style == "older" else "12"
        warnings.warn(
            f'validation_style={style!r} is now framework_version="{version}"',
            DeprecationWarning,
            stacklevel=4,
        )
        settings.framework_version = version
    return style


# So that the hints of `PropQEmulator`, in another module, can be resolved there.
@attrs.resolve_types
@attrs.define(eq=False, repr=False, kw_only=True)
class Settings:
    """The arguments of `PropQEmulator`, where they are described."""

    # The aliases are those that attrs chooses, stated for type checkers that do not know them.
    _host: str = attrs.field(default="127.0.0.1", converter=loopback, alias="host")
    _port: int = attrs.field(default=0, validator=check_port, alias="port")
    credentials: Credentials = attrs.field(
        factory=new_credentials,
        validator=check_credentials,
        on_setattr=attrs.setters.frozen,
    )
    _clock: Callable[[], float] = attrs.field(
        default=time.time, validator=check_callable, alias="clock"
    )
    on_request: Callable[[RecordedRequest], None] | None = attrs.field(
        default=None, validator=attrs.validators.optional(check_callable)
    )
    latency_seconds: float = attrs.field(default=0.0, validator=non_negative_seconds)
    token_latency_seconds: float = attrs.field(default=0.0, validator=non_negative_seconds)
    token_lifetime_seconds: float = attrs.field(default=2_592_000, validator=positive_seconds)
    token_error_style: ErrorStyle = attrs.field(
        default="message", validator=one_of("message", "both", "description")
    )
    unknown_status: Literal[400, 404, 422] = attrs.field(
        default=404, validator=one_of(404, 400, 422)
    )
    wrong_method_status: Literal[405, 419] = attrs.field(default=419, validator=one_of(419, 405))
    success_body: Literal["echo", "empty", "message", "status"] = attrs.field(
        default="echo", validator=one_of("echo", "empty", "message", "status")
    )
    framework_version: FrameworkVersion = attrs.field(
        default="12", validator=one_of("12", "10", "8")
    )
    validation_style: Literal["current", "older"] | None = attrs.field(
        default=None,
        validator=attrs.validators.optional(one_of("current", "older")),
        on_setattr=[attrs.setters.validate, set_version],
    )
    case_sensitive_names: bool = attrs.field(default=True, validator=is_bool)
    known_directions: tuple[str, ...] | None = attrs.field(default=None, converter=known_directions)

    @property
    def switches(self) -> dict[str, Any]:
        """Return the switches by name, each with its value."""
        return {name: getattr(self, name) for name in _SWITCHES}


_SWITCHES: Final = tuple(
    field.name for field in attrs.fields(Settings) if field.name not in _NO_SWITCHES
)
