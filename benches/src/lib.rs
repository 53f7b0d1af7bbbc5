//! What the benchmarks share.

/// A Register of 161 bytes, the yardstick of parsing: confirmable, message id 0x1234, token
/// 01020304, link-format, four queries, and a list of eleven links.
pub const REGISTER: &[u8] = b"\x44\x02\x12\x34\x01\x02\x03\x04\xb2rd\x11\x28\
    \x3d\x0eep=urn:dev:os:0023C7-000001\x08lt=86400\x09lwm2m=1.0\x03b=U\xff\
    </>;rt=\"oma.lwm2m\";ct=11543,</1/0>,</1/1>,</2/0>,</2/1>,</2/2>,</2/3>,</2/4>,</3/0>,</4/0>,</5>";

#[cfg(test)]
mod tests {
    #[test]
    fn the_register_is_the_yardstick() {
        assert_eq!(super::REGISTER.len(), 161);
    }
}
