//! Messages: many frames in one MQTT payload.
//!
//! ```text
//! envelope  := version:u8  encoding:u8  [inflated length:u32 le, if encoding = 1]  content
//! content   := head frame*             (deflated as a whole, if encoding = 1)
//! head      := stream  oldest  first   (postcard)
//! frame     := length:varint  bytes    (a postcard Frame)
//! ```
//! Compression needs memory of its own, so it is the caller's: this module only frames.

use serde::{Deserialize, Serialize};

use super::{Frame, FrameSeq, StreamId, WIRE_VERSION, WireError};
use crate::bytes::{append_postcard, take_array, take_bytes};

/// Largest frame: a window full of spelled keys of the greatest length.
pub const MAX_FRAME_BYTES: usize = 96 << 10;
/// Largest message, inflated.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// How a message's content is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Plain,
    /// A raw deflate stream (RFC 1951).
    Deflate {
        /// Bytes of the content once inflated; at most [`MAX_MESSAGE_BYTES`].
        inflated: u32,
    },
}

/// A payload taken apart: how its content is stored, and the stored bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// How.
    pub encoding: Encoding,
    /// The content as it is stored.
    pub content: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Takes a payload apart.
    ///
    /// # Errors
    /// For another version, an unknown encoding, or a size beyond the limits.
    pub fn parse(payload: &'a [u8]) -> Result<Self, WireError> {
        if payload.len() > MAX_MESSAGE_BYTES {
            return Err(WireError::TooLarge(MAX_MESSAGE_BYTES));
        }
        let (&[version, encoding], rest) = take_array(payload).ok_or(WireError::Truncated)?;
        if version != WIRE_VERSION {
            return Err(WireError::Version(version));
        }
        match encoding {
            0 => Ok(Self { encoding: Encoding::Plain, content: rest }),
            1 => {
                let (length, content) = take_array(rest).ok_or(WireError::Truncated)?;
                let inflated = u32::from_le_bytes(*length);
                if inflated as usize > MAX_MESSAGE_BYTES {
                    return Err(WireError::TooLarge(MAX_MESSAGE_BYTES));
                }
                Ok(Self { encoding: Encoding::Deflate { inflated }, content })
            }
            other => Err(WireError::Encoding(other)),
        }
    }
}

/// Appends the head of an envelope; the content follows.
pub fn write_envelope_head(encoding: Encoding, out: &mut impl Extend<u8>) {
    match encoding {
        Encoding::Plain => out.extend([WIRE_VERSION, 0]),
        Encoding::Deflate { inflated } => {
            out.extend([WIRE_VERSION, 1]);
            out.extend(inflated.to_le_bytes());
        }
    }
}

/// What stands at the front of a message's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageHead {
    /// Whose frames.
    pub stream: StreamId,
    /// The oldest frame the agent still has. Numbers below it that the ground lacks will never come.
    pub oldest: FrameSeq,
    /// The number of the first frame in this message; the others follow without a gap.
    pub first: FrameSeq,
}

/// A frame's number and its undecoded bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead<'a> {
    /// The number.
    pub seq: FrameSeq,
    /// A postcard [`Frame`].
    pub bytes: &'a [u8],
}

impl<'a> FrameHead<'a> {
    /// Decodes the frame.
    ///
    /// # Errors
    /// When the bytes are no frame of this version, or more than one.
    pub fn decode(&self) -> Result<Frame<'a>, WireError> {
        let (frame, rest) = postcard::take_from_bytes(self.bytes)?;
        if rest.is_empty() { Ok(frame) } else { Err(WireError::Trailing) }
    }
}

/// The frames of a message, one after the other. A frame that does not decode spoils only itself.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    next: FrameSeq,
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    /// Reads a message's (inflated) content.
    ///
    /// # Errors
    /// When the head does not decode.
    pub fn parse(content: &'a [u8]) -> Result<(MessageHead, Self), WireError> {
        let (head, rest): (MessageHead, _) = postcard::take_from_bytes(content)?;
        Ok((head, Self { next: head.first, rest }))
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<FrameHead<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let taken = postcard::take_from_bytes::<u32>(self.rest).map_err(WireError::from).and_then(
            |(length, rest)| {
                if length as usize > MAX_FRAME_BYTES {
                    return Err(WireError::TooLarge(MAX_FRAME_BYTES));
                }
                take_bytes(rest, length as usize).ok_or(WireError::Truncated)
            },
        );
        match taken {
            Ok((bytes, rest)) => {
                let seq = self.next;
                self.next = seq.next();
                self.rest = rest;
                Some(Ok(FrameHead { seq, bytes }))
            }
            Err(error) => {
                // Lengths are lost, so whatever follows is, too.
                self.rest = &[];
                Some(Err(error))
            }
        }
    }
}

/// Appends a message's head.
///
/// # Errors
/// When postcard refuses, which no head makes it do.
pub fn write_head(head: &MessageHead, out: &mut impl Extend<u8>) -> Result<(), WireError> {
    Ok(append_postcard(head, out)?)
}

/// Appends an already encoded frame with its length.
///
/// # Errors
/// [`WireError::TooLarge`] for a frame no reader would take.
pub fn write_frame(frame: &[u8], out: &mut impl Extend<u8>) -> Result<(), WireError> {
    if frame.len() > MAX_FRAME_BYTES {
        return Err(WireError::TooLarge(MAX_FRAME_BYTES));
    }
    append_postcard(&(frame.len() as u32), out)?;
    out.extend(frame.iter().copied());
    Ok(())
}

impl Frame<'_> {
    /// Appends the frame's bytes, as the outbox keeps them.
    ///
    /// # Errors
    /// When postcard refuses, which no frame makes it do.
    pub fn write(&self, out: &mut impl Extend<u8>) -> Result<(), WireError> {
        Ok(append_postcard(self, out)?)
    }
}
