//! OMA Lightweight M2M JSON (application/vnd.oma.lwm2m+json), both directions.

#![no_std]
