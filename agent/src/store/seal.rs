//! Checksums of what the agent counts from. SQLite finds pages that make no sense; a flash cell that flips within a value
//! gives another value that makes sense.

/// How much longer a sealed value is.
pub(super) const SEAL_BYTES: usize = 4;

/// The bytes for the file: their CRC-32, as gzip has it, comes last, least significant byte first.
pub(super) fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = crc32fast::hash(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

/// The bytes that were sealed; none if they are not the same any more.
pub(super) fn unseal(sealed: &[u8]) -> Option<&[u8]> {
    let (bytes, sum) = sealed.split_last_chunk::<SEAL_BYTES>()?;
    (crc32fast::hash(bytes) == u32::from_le_bytes(*sum)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_checksum_is_the_one_that_everybody_knows() {
        assert_eq!(seal(b"123456789".to_vec())[9..], 0xcbf4_3926_u32.to_le_bytes());
        assert_eq!(seal(b"a".to_vec()), [b'a', 0x43, 0xbe, 0xb7, 0xe8]);
    }

    #[test]
    fn what_is_too_short_was_not_sealed() {
        assert_eq!(unseal(&[0; 3]), None);
        assert_eq!(unseal(&seal(Vec::new())), Some(&[][..]));
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_noticed(bytes in prop::collection::vec(any::<u8>(), 0..100), bit in any::<usize>()) {
            let mut sealed = seal(bytes.clone());
            prop_assert_eq!(unseal(&sealed), Some(&bytes[..]));
            let bit = bit % (sealed.len() * 8);
            sealed[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(unseal(&sealed), None);
        }
    }
}
