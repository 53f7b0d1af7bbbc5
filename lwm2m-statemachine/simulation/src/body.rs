//! Bodies that show whether they are complete.

/// A body of this many bytes, at least 8, with its number in each word, so that a mix of two bodies
/// and a missing part show. `number` is below 2^40, `length` below 2^24.
pub fn body(number: u64, length: usize) -> Vec<u8> {
    let head = number << 24 | length as u64;
    let mut body: Vec<u8> = (0..length.div_ceil(8) as u64)
        .flat_map(|word| (head ^ word.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes())
        .collect();
    body.truncate(length);
    body
}

/// The number of a [`body`]; `None` if it isn't complete.
pub fn body_number(bytes: &[u8]) -> Option<u64> {
    let head = u64::from_be_bytes(*bytes.first_chunk::<8>()?);
    let number = head >> 24;
    (body(number, bytes.len()) == bytes).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_tells_its_number_and_nothing_but_the_whole_does() {
        for length in [8, 9, 16, 100, 1024] {
            let (one, other) = (body(7, length), body(8, length));
            assert_eq!((one.len(), body_number(&one)), (length, Some(7)));
            for cut in 1..length {
                assert_eq!(body_number(&one[..cut]), None, "{cut} of {length}");
                let mixed = [&one[..cut], &other[cut..]].concat();
                let is_one = mixed == one || mixed == other;
                assert!(is_one || body_number(&mixed).is_none(), "{cut} of {length}");
            }
            let mut flipped = one.clone();
            *flipped.last_mut().unwrap() ^= 1;
            assert_eq!(body_number(&flipped), None);
            assert_eq!(body_number(&[one.clone(), one].concat()), None);
        }
        assert_eq!(body_number(b""), None);
    }
}
