//! Bootstrap from Smartcard (TS 5.2.3.2, Appendix G).

mod card;
mod damaged;
mod file;
mod pin;
mod properties;
mod provisioned;
mod refresh;
mod refused;
mod versions;
mod walk;
