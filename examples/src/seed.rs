//! Seeds for the machines.

use std::io;

/// A fresh seed from the operating system. A machine needs a new one at every start: a repeated
/// seed repeats message ids and tokens, and peers would take its requests for repetitions.
pub fn fresh() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}

/// A fresh number from the operating system: what the bounds of DTLS sessions begin with
/// ([`Bounds::seed`](crate::secure::sessions::Bounds::seed)).
pub fn fresh_number() -> io::Result<u64> {
    getrandom::u64().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_start_repeats_the_seed_or_the_number_of_another() {
        assert_ne!(fresh().unwrap(), fresh().unwrap());
        assert_ne!(fresh_number().unwrap(), fresh_number().unwrap());
    }
}
