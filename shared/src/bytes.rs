//! Reading fixed-size pieces off the front of a byte slice, without ever panicking, and appending postcard values.

use postcard::ser_flavors::Flavor;
use serde::Serialize;

/// Appends a postcard value to whatever the caller collects bytes in.
pub(crate) fn append_postcard<T: Serialize>(value: &T, out: &mut impl Extend<u8>) -> postcard::Result<()> {
    postcard::serialize_with_flavor(value, Appender(out))
}

/// postcard's own `ExtendFlavor` wants to own its target; ours stays with the caller.
struct Appender<'a, E>(&'a mut E);

impl<E: Extend<u8>> Flavor for Appender<'_, E> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.extend([byte]);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend(bytes.iter().copied());
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// The first `N` bytes, and the rest; none if there are fewer.
pub(crate) fn take_array<const N: usize>(bytes: &[u8]) -> Option<(&[u8; N], &[u8])> {
    bytes.split_first_chunk()
}

/// The first `count` pieces of `N` bytes each, and the rest; none if there are fewer.
pub(crate) fn take_chunks<const N: usize>(bytes: &[u8], count: usize) -> Option<(&[[u8; N]], &[u8])> {
    let (head, rest) = bytes.split_at_checked(count.checked_mul(N)?)?;
    Some((head.as_chunks().0, rest))
}

/// The first `count` bytes, and the rest; none if there are fewer.
pub(crate) fn take_bytes(bytes: &[u8], count: usize) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(count)
}
