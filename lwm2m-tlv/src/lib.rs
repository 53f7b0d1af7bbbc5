//! OMA Lightweight M2M TLV (application/vnd.oma.lwm2m+tlv), both directions, without allocation.

#![no_std]
