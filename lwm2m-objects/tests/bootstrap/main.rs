//! What a bootstrap does to the tree (TS 5.2.6, 5.2.7, E.1.3).

#[path = "../common/mod.rs"]
mod common;

mod account;
mod check;
mod delete;
mod discover;
mod restored;
mod sequences;
mod session;
mod written;
