//! From frames to one payload.

use cabinwatch_shared::wire::{
    Encoding, FrameSeq, MAX_MESSAGE_BYTES, MessageHead, WireError, write_envelope_head, write_frame,
    write_head,
};

/// zlib's level 6: frames are small, so its better ratio costs next to nothing.
const DEFLATE_LEVEL: u8 = 6;

/// A payload, and the last frame in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// The bytes to publish.
    pub payload: Vec<u8>,
    /// The last frame in it.
    pub last: FrameSeq,
}

/// Packs frames with consecutive numbers from `head.first` on, as many as fit the wire's limit and come without a
/// gap; none if there is no frame. The content is deflated where that makes it smaller.
///
/// # Errors
/// For a frame larger than any reader takes.
pub fn pack(head: &MessageHead, frames: &[(FrameSeq, Vec<u8>)]) -> Result<Option<Message>, WireError> {
    let mut content = Vec::new();
    write_head(head, &mut content)?;
    let mut last = None;
    let mut expected = head.first;
    for (seq, frame) in frames {
        // Five bytes are the longest length of a frame, six the longest head of an envelope.
        if *seq != expected || content.len() + frame.len() + 5 + 6 > MAX_MESSAGE_BYTES {
            break;
        }
        write_frame(frame, &mut content)?;
        last = Some(*seq);
        expected = seq.next();
    }
    Ok(last.map(|last| Message { payload: envelope(&content), last }))
}

fn envelope(content: &[u8]) -> Vec<u8> {
    let deflated = miniz_oxide::deflate::compress_to_vec(content, DEFLATE_LEVEL);
    let mut deflate_head = Vec::new();
    write_envelope_head(Encoding::Deflate { inflated: content.len() as u32 }, &mut deflate_head);
    let mut payload = Vec::new();
    if deflate_head.len() + deflated.len() < 2 + content.len() {
        payload.extend(deflate_head);
        payload.extend(deflated);
    } else {
        write_envelope_head(Encoding::Plain, &mut payload);
        payload.extend(content);
    }
    payload
}

#[cfg(test)]
mod tests {
    use cabinwatch_shared::wire::{Envelope, Frames, StreamId};

    use super::*;

    fn head(first: u64) -> MessageHead {
        MessageHead { stream: StreamId(7), oldest: FrameSeq(1), first: FrameSeq(first) }
    }

    fn frames(numbers: impl IntoIterator<Item = u64>, bytes: &[u8]) -> Vec<(FrameSeq, Vec<u8>)> {
        numbers.into_iter().map(|seq| (FrameSeq(seq), bytes.to_vec())).collect()
    }

    fn read(message: &Message) -> (Encoding, MessageHead, Vec<(u64, Vec<u8>)>) {
        let envelope = Envelope::parse(&message.payload).expect("an envelope");
        let content = match envelope.encoding {
            Encoding::Plain => envelope.content.to_vec(),
            Encoding::Deflate { inflated } => {
                miniz_oxide::inflate::decompress_to_vec_with_limit(envelope.content, inflated as usize)
                    .expect("deflated")
            }
        };
        let (head, frames) = Frames::parse(&content).expect("a head");
        let frames = frames.map(|frame| frame.map(|frame| (frame.seq.0, frame.bytes.to_vec())));
        (envelope.encoding, head, frames.collect::<Result<_, _>>().expect("frames"))
    }

    #[test]
    fn a_small_frame_stays_plain_and_many_alike_are_deflated() {
        let one = pack(&head(9), &frames([9], b"abc")).expect("packs").expect("a message");
        assert_eq!(read(&one), (Encoding::Plain, head(9), vec![(9, b"abc".to_vec())]));
        let many = pack(&head(9), &frames(9..109, b"abcdefgh")).expect("packs").expect("a message");
        let (encoding, _, read) = read(&many);
        assert!(matches!(encoding, Encoding::Deflate { .. }));
        assert!(many.payload.len() < 200);
        assert_eq!(read.len(), 100);
        assert_eq!(many.last, FrameSeq(108));
    }

    #[test]
    fn a_message_ends_before_a_gap_and_at_the_wires_limit() {
        let message = pack(&head(9), &frames([9, 10, 12], b"abc")).expect("packs").expect("a message");
        assert_eq!(message.last, FrameSeq(10));
        let big = pack(&head(1), &frames(1..100, &[0; 64 << 10])).expect("packs").expect("a message");
        assert_eq!(big.last, FrameSeq(15));
        assert_eq!(read(&big).2.len(), 15);
    }

    #[test]
    fn no_frame_gives_no_message() {
        assert_eq!(pack(&head(9), &[]), Ok(None));
        assert_eq!(pack(&head(9), &frames([10], b"abc")), Ok(None));
    }
}
