//! The programs as a person or a script uses them.

mod bootstrap;
mod device;
mod keys;
mod support;
mod together;
