//! A network in virtual time, from a seed, on which the machines are proven.
