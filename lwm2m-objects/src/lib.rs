//! OMA Lightweight M2M object definitions, the object tree and the built-in objects.

#![no_std]
