//! CoAP (RFC 7252, RFC 7641, RFC 7959): the message codec and an endpoint for many peers.
