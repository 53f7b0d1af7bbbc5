//! Every payload format through the one dispatcher: what is written is read back the same, and
//! from one format into another and back nothing changes.

mod properties;
mod support;
mod table;
