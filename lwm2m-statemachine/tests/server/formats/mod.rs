//! Every payload format through the dispatcher: what is written is read back the same, also by way
//! of another format.

mod properties;
mod support;
mod table;
