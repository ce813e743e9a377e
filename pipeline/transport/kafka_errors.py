"""kafka-python's exceptions, named by what the receiver does about them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kafka import errors

from pipeline.errors import ConfigError, InvalidMessage, SightlineError, TransientError

_OF_THE_RECORD = (
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
    errors.InvalidRecordError,
    errors.InvalidTimestampError,
)
_OF_THE_SETTINGS = (
    errors.AuthorizationError,
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
    errors.SecurityDisabledError,
    errors.KafkaConfigurationError,
    errors.InvalidTopicError,
    errors.PolicyViolationError,
    errors.IncompatibleBrokerVersion,
    errors.UnsupportedVersionError,
    errors.InvalidReplicationFactorError,
    errors.InvalidSessionTimeoutError,
    errors.InvalidGroupIdError,
    errors.InconsistentGroupProtocolError,
    errors.GroupMaxSizeReachedError,
    errors.FencedInstanceIdError,
)
_WAYS_OUT = {
    errors.MessageSizeTooLargeError: "see bus.max_message_bytes, and max.message.bytes of the topic",
    errors.InvalidTimestampError: "see the clock of this machine",
    errors.SaslAuthenticationFailedError: "see bus.username, bus.password and bus.sasl_mechanism",
    errors.UnsupportedSaslMechanismError: "see bus.sasl_mechanism",
    errors.TopicAuthorizationFailedError: "grant bus.username read, write, create and describe on {bus.prefix}.*",
    errors.GroupAuthorizationFailedError: "grant bus.username read on the groups {bus.prefix}.*",
    errors.ClusterAuthorizationFailedError: "grant bus.username idempotent writes on the cluster",
    errors.InvalidReplicationFactorError: "see bus.replication",
    errors.InvalidSessionTimeoutError: "see bus.session_timeout, and group.max.session.timeout.ms of the broker",
}


def mapped(error: BaseException) -> SightlineError:
    """The error of ours that says what to do; whatever is not known for worse may work later."""
    if isinstance(error, SightlineError):
        return error
    if isinstance(error, _OF_THE_RECORD):
        return InvalidMessage(f"the broker takes no such record: {_words(error)}{_way_out(error)}")
    if isinstance(error, _OF_THE_SETTINGS):
        return ConfigError(f"the broker refuses: {_words(error)}{_way_out(error)}")
    return TransientError(f"the broker is away or busy: {_words(error)}")


@contextmanager
def kafka_errors() -> Iterator[None]:
    """Raise what the client raises in here as one of ours."""
    try:
        yield
    except (errors.KafkaError, OSError) as error:
        raise mapped(error) from error


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _way_out(error: BaseException) -> str:
    return next((f"; {words}" for kind, words in _WAYS_OUT.items() if isinstance(error, kind)), "")
