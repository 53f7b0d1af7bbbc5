//! Drivers and views that the programs share.
