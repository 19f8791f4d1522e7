//! Checksums of what the agent counts from. SQLite finds pages that make no sense; a flash cell that flips within a value
//! gives another value that makes sense.

/// The reversed polynomial of CRC-32 (ISO-HDLC), as Ethernet and gzip have it.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// How much longer a sealed value is.
pub(super) const SEAL_BYTES: usize = 4;

/// Half a byte at a time: 64 bytes of table, and quick enough for a few bytes an event.
const TABLE: [u32; 16] = {
    let mut table = [0; 16];
    let mut nibble = 0;
    while nibble < 16 {
        let (mut value, mut bit) = (nibble as u32, 0);
        while bit < 4 {
            value = if value & 1 == 1 { value >> 1 ^ POLYNOMIAL } else { value >> 1 };
            bit += 1;
        }
        table[nibble] = value;
        nibble += 1;
    }
    table
};

fn checksum(bytes: &[u8]) -> u32 {
    let step = |sum: u32, nibble: u32| {
        sum >> 4 ^ TABLE.get(((sum ^ nibble) & 15) as usize).copied().unwrap_or_default()
    };
    !bytes.iter().fold(u32::MAX, |sum, byte| step(step(sum, u32::from(*byte)), u32::from(byte >> 4)))
}

/// The bytes for the file: the checksum comes last, least significant byte first.
pub(super) fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

/// The bytes that were sealed; none if they are not the same any more.
pub(super) fn unseal(sealed: &[u8]) -> Option<&[u8]> {
    let (bytes, sum) = sealed.split_last_chunk::<SEAL_BYTES>()?;
    (checksum(bytes) == u32::from_le_bytes(*sum)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_checksum_is_the_one_that_everybody_knows() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
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
