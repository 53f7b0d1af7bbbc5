//! DTLS below the machines (TS 7.1).
//!
//! The machines see only datagrams, names of peers and proven identities. This module puts a DTLS
//! session below each peer. [`session`] is what it asks of a DTLS library, [`credentials`] is what
//! such a library asks for; every part is sans I/O, as the machines are.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`session`] | one end of one DTLS session, and the library that makes it |
//! | [`credentials`] | keys and certificates: of a Client from its Security Object, of a server from the operator |
//! | [`record`] | the headers of DTLS records, as far as they say where a datagram belongs |
//! | [`client`] | a Client with DTLS below its secured connections |
//! | [`listening`] | a Client with which its Bootstrap-Server may begin a session |
//! | [`server`] | a Server or Bootstrap-Server with DTLS below it, beside clients without |
//! | [`sessions`] | all sessions of a server, and those that others begin with a Client |
//! | `deliver` | how datagrams get from a session, or past it, to the machine above |
//! | `news` | what waits until the application fetches it |
//! | [`alert`] | what alerts say |
//! | [`suite`] | the cipher suites, and which library has them |
//! | [`names`] | the names in a certificate, and whether they name a host |
//! | `certificate` | what an X.509 certificate says; feature `dtls` |
//! | `pure` | the library `dimpl`; feature `dtls` |
//! | `system` | the library of the operating system, OpenSSL; feature `dtls-openssl` |
//! | [`library`] | whichever library the programs are built with |

pub mod alert;
#[cfg(feature = "dtls")]
pub mod certificate;
pub mod client;
pub mod credentials;
mod deliver;
pub mod library;
pub mod listening;
pub mod names;
mod news;
#[cfg(feature = "dtls")]
pub mod pure;
pub mod record;
pub mod server;
pub mod session;
pub mod sessions;
pub mod suite;
#[cfg(feature = "dtls-openssl")]
pub mod system;
