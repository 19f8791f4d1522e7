//! Reads what two MQTT 5 programs said to each other, and tells what each kind of packet cost.

use std::collections::{BTreeMap, HashMap};

use crate::relay::Conversation;

const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;
const TOPIC_ALIAS: u8 = 0x23;

/// Packets of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub packets: u64,
    /// Their bytes, payloads included.
    pub bytes: u64,
    /// Bytes of payloads.
    pub payload: u64,
}

/// What was said, by kind: a packet's name, and for a publish the end of its topic, e.g. `PUBLISH up/frames`.
pub type Meter = BTreeMap<String, Tally>;

/// Adds up conversations.
///
/// # Panics
/// When they are not MQTT.
#[must_use]
pub fn measure(conversations: &[Conversation]) -> Meter {
    let mut meter = Meter::new();
    for talk in conversations {
        read(&talk.up, &mut meter);
        read(&talk.down, &mut meter);
    }
    meter
}

/// All of them together.
#[must_use]
pub fn total(meter: &Meter) -> Tally {
    meter.values().fold(Tally::default(), |sum, tally| Tally {
        packets: sum.packets + tally.packets,
        bytes: sum.bytes + tally.bytes,
        payload: sum.payload + tally.payload,
    })
}

/// A connection may have been cut within its last packet.
fn read(mut bytes: &[u8], meter: &mut Meter) {
    let mut aliases = HashMap::new();
    while let Some((head, length)) = head(bytes) {
        let Some(packet) = bytes.get(..head + length) else { return };
        let body = &packet[head..];
        let (name, payload) = match packet[0] >> 4 {
            PUBLISH => publish(packet[0], body, &mut aliases),
            kind => (name(kind).to_owned(), 0),
        };
        assert!(packet[0] >> 4 >= CONNECT, "this is not MQTT");
        let tally = meter.entry(name).or_default();
        tally.packets += 1;
        tally.bytes += packet.len() as u64;
        tally.payload += payload as u64;
        bytes = &bytes[packet.len()..];
    }
}

/// Length of a packet's head, and of what follows it.
fn head(bytes: &[u8]) -> Option<(usize, usize)> {
    let (length, size) = varint(bytes.get(1..)?)?;
    Some((1 + size, length))
}

/// A number, and how many bytes it takes.
fn varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (place, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, place + 1));
        }
    }
    None
}

/// A publish's name, and the length of its payload.
fn publish(flags: u8, body: &[u8], aliases: &mut HashMap<[u8; 2], String>) -> (String, usize) {
    let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let mut topic = String::from_utf8_lossy(&body[2..2 + length]).into_owned();
    let has_number = flags & 0b0110 != 0;
    let properties = 2 + length + if has_number { 2 } else { 0 };
    let (size, digits) = varint(&body[properties..]).expect("properties have a length");
    let values = &body[properties + digits..][..size];
    // Of the properties that programs of ours send, the alias is the only one, and brokers send none.
    if let [TOPIC_ALIAS, high, low] = values {
        if topic.is_empty() {
            topic = aliases.get(&[*high, *low]).cloned().expect("the alias was introduced");
        } else {
            aliases.insert([*high, *low], topic.clone());
        }
    }
    // `cabinwatch/v1/TAIL/up/frames`, `cabinwatch/v1/models/fleet`
    let end = topic.splitn(4, '/').nth(3).unwrap_or(&topic);
    (format!("PUBLISH {end}"), body.len() - properties - digits - size)
}

fn name(kind: u8) -> &'static str {
    const NAMES: [&str; 16] = [
        "?",
        "CONNECT",
        "CONNACK",
        "PUBLISH",
        "PUBACK",
        "PUBREC",
        "PUBREL",
        "PUBCOMP",
        "SUBSCRIBE",
        "SUBACK",
        "UNSUBSCRIBE",
        "UNSUBACK",
        "PINGREQ",
        "PINGRESP",
        "DISCONNECT",
        "AUTH",
    ];
    NAMES[usize::from(kind & 15)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_stands_for_the_topic_it_was_introduced_with() {
        let topic = b"cabinwatch/v1/T/up/frames";
        let mut up = vec![0x32, 2 + 25 + 2 + 4 + 3, 0, 25];
        up.extend(topic);
        up.extend([0, 1, 3, TOPIC_ALIAS, 0, 1, 9, 9, 9]);
        up.extend([0x32, 2 + 2 + 4 + 2, 0, 0, 0, 2, 3, TOPIC_ALIAS, 0, 1, 8, 8]);
        // And one that was cut.
        up.extend([0x32, 90, 0]);
        let meter = measure(&[Conversation { up, down: vec![0x40, 2, 0, 1, 0xd0, 0] }]);
        assert_eq!(meter["PUBLISH up/frames"], Tally { packets: 2, bytes: 38 + 12, payload: 5 });
        assert_eq!(meter["PUBACK"], Tally { packets: 1, bytes: 4, payload: 0 });
        assert_eq!(total(&meter), Tally { packets: 4, bytes: 56, payload: 5 });
    }
}
