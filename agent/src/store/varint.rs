//! Whole numbers in as few bytes as they need: seven bits a byte, lowest first, the high bit says that more follow.

/// Appends a number.
pub(super) fn put(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed number: zigzag, so that small ones stay small on both sides of zero.
pub(super) fn put_signed(value: i64, out: &mut Vec<u8>) {
    put((value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned(), out);
}

/// Bytes that are read from the front. Each reader gives nothing where the bytes do not reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// One byte.
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    /// A number of at most 64 bits.
    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A signed number.
    pub(super) fn signed(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// Bytes behind their count.
    pub(super) fn counted(&mut self) -> Option<&'a [u8]> {
        let count = usize::try_from(self.varint()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(unsigned in any::<u64>(), signed in any::<i64>()) {
            let mut out = Vec::new();
            put(unsigned, &mut out);
            put_signed(signed, &mut out);
            let mut input = Input(&out);
            prop_assert_eq!(input.varint(), Some(unsigned));
            prop_assert_eq!(input.signed(), Some(signed));
            prop_assert!(input.0.is_empty());
        }
    }

    #[test]
    fn numbers_beyond_64_bits_are_refused() {
        assert_eq!(Input(&[0xff; 12]).varint(), None);
        assert_eq!(Input(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).varint(), None);
    }
}
