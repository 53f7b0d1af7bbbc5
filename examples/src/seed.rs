//! Seeds for the machines.

use std::io;

/// A fresh seed from the operating system. A machine needs a new one at every start: a repeated
/// seed repeats message ids and tokens, and peers would take its requests for repetitions.
pub fn fresh() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}
